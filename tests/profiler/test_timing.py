from __future__ import annotations

from functools import partial
from pathlib import Path

from small_networks import CPU, SmallNetworks

from autoprune.profiler.executed import observe
from autoprune.profiler.listening import silent
from autoprune.profiler.timing import time_in_turns, visit_networks
from autoprune.space import Policy

POLICIES = (Policy((32, 48)), Policy((8, 16)), Policy((12, 24)))


def test_every_round_visits_every_network_once() -> None:
    made = SmallNetworks()
    executions = [observe(made(policy), CPU) for policy in POLICIES]
    told: list[float] = []
    rounds = visit_networks(
        [partial(made, policy) for policy in POLICIES],
        executions,
        CPU,
        seconds=0.05,
        seed=0,
        tell=lambda _, done: told.append(done),
    )
    assert len(rounds) >= 2
    for one in rounds:
        assert sorted(visit.network for visit in one) == [0, 1, 2]
    assert told == sorted(told)
    assert all(0 <= done <= 1 for done in told)


def test_a_visit_times_what_its_network_executes() -> None:
    made = SmallNetworks()
    execution = observe(made(POLICIES[0]), CPU)
    [[visit], *_] = visit_networks([partial(made, POLICIES[0])], [execution], CPU, seconds=0.05, seed=0, tell=silent)
    assert set(visit.kernel_us) == set(execution.kernels)
    assert visit.sites == {kernel: execution.kernels.count(kernel) for kernel in execution.kernels}
    assert all(time > 0 for time in visit.kernel_us.values())
    assert visit.network_ms > 0


def test_networks_are_timed_in_turns_from_files_and_from_functions(tmp_path: Path) -> None:
    made = SmallNetworks()
    file = tmp_path / "network.onnx"
    file.write_bytes(made(POLICIES[0]))
    made.asked.clear()
    times = time_in_turns([file, partial(made, POLICIES[1])], CPU, rounds=3, runs=2)
    assert [len(one) for one in times] == [3, 3]
    assert made.asked == [POLICIES[1]] * 3
