from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from small_networks import CPU, SmallNetworks

from autoprune.profiler.listening import silent
from autoprune.profiler.runtime.executed import observe
from autoprune.profiler.timing.reference import Reference
from autoprune.profiler.timing.visits import Visit, Visitor, runs_a_visit, time_in_turns, visit_rounds
from autoprune.space import Policy

POLICIES = (Policy((32, 48)), Policy((8, 16)), Policy((12, 24)))
RUNS = (2, 2, 2)


@pytest.fixture(scope="module")
def visitor() -> Visitor:
    made = SmallNetworks()
    executions = [observe(made(policy), CPU) for policy in POLICIES]
    return Visitor([partial(made, policy) for policy in POLICIES], executions, CPU, Reference(CPU))


def never(visits: Sequence[Visit]) -> tuple[int, int]:
    return 0, len(visits)


def always(visits: Sequence[Visit]) -> tuple[int, int]:
    return len(visits), len(visits)


def test_every_round_visits_every_network_once(visitor: Visitor) -> None:
    told: list[float] = []
    visits = list(
        visit_rounds(visitor, [], runs=RUNS, seconds=0.2, seed=0, settled=never, tell=lambda _, done: told.append(done))
    )
    rounds = [[visit.network for visit in visits[i : i + 3]] for i in range(0, len(visits) - 2, 3)]
    assert len(rounds) >= 2
    assert all(sorted(one) == [0, 1, 2] for one in rounds)
    assert told == sorted(told)
    assert all(0 <= done <= 1 for done in told)


def test_two_rounds_are_made_although_all_is_settled_and_no_more(visitor: Visitor) -> None:
    visits = list(visit_rounds(visitor, [], runs=RUNS, seconds=60, seed=0, settled=always, tell=silent))
    assert [sorted(visit.network for visit in visits[i : i + 3]) for i in (0, 3)] == [[0, 1, 2]] * 2
    assert len(visits) == 6


def test_no_more_than_two_rounds_are_made_when_the_time_is_spent(visitor: Visitor) -> None:
    assert len(list(visit_rounds(visitor, [], runs=RUNS, seconds=-1.0, seed=0, settled=never, tell=silent))) == 6


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 6])
def test_visits_of_an_earlier_call_count_and_the_order_goes_on(visitor: Visitor, cut: int) -> None:
    whole = list(visit_rounds(visitor, [], runs=RUNS, seconds=60, seed=7, settled=always, tell=silent))
    rest = list(visit_rounds(visitor, whole[:cut], runs=RUNS, seconds=60, seed=7, settled=always, tell=silent))
    assert [v.network for v in (*whole[:cut], *rest)] == [v.network for v in whole]


def test_time_that_an_earlier_call_spent_is_spent(visitor: Visitor) -> None:
    first = list(visit_rounds(visitor, [], runs=RUNS, seconds=60, seed=0, settled=always, tell=silent))
    slow = [dataclasses.replace(visit, took_s=100.0) for visit in first]
    assert list(visit_rounds(visitor, slow, runs=RUNS, seconds=60, seed=0, settled=never, tell=silent)) == []


def test_a_visit_times_what_its_network_executes(visitor: Visitor) -> None:
    visit = visitor(0, 3)
    execution = visitor.executions[0]
    assert set(visit.kernel_us) == set(execution.kernels) == set(execution.distinct)
    assert visit.sites == execution.counts
    assert visit.sites == {kernel: execution.kernels.count(kernel) for kernel in execution.kernels}
    assert all(time > 0 for time in visit.kernel_us.values())
    assert visit.network_ms > 0
    assert visit.reference_ms > 0
    assert (visit.network, visit.runs) == (0, 3)
    assert 0 <= visit.disturbed <= 1
    assert visit.took_s > visit.loading_s > 0


def test_the_number_of_runs_follows_the_time_there_is(visitor: Visitor) -> None:
    assert set(runs_a_visit(visitor, 0.0, silent)) == {2}
    assert set(runs_a_visit(visitor, 3600.0, silent)) == {40}


def test_networks_are_timed_in_turns_from_files_and_from_functions(tmp_path: Path) -> None:
    made = SmallNetworks()
    file = tmp_path / "network.onnx"
    file.write_bytes(made(POLICIES[0]))
    made.asked.clear()
    times = time_in_turns([file, partial(made, POLICIES[1])], CPU, rounds=3, runs=2)
    assert [len(one) for one in times] == [3, 3]
    assert all(ms > 0 for one in times for ms in one)
    assert made.asked == [POLICIES[1]] * 3
