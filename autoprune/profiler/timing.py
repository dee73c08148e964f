"""Times kernels inside whole networks, in interleaved rounds; free of torch."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoprune.cost import Kernel
from autoprune.profiler.events import median_us, read_events
from autoprune.profiler.executed import Execution
from autoprune.profiler.listening import OnProgress, silent
from autoprune.profiler.session import Session
from autoprune.spec import DeviceSpec

_WARM_UP_RUNS = 2
_FEWEST_RUNS, _MOST_RUNS = 3, 40
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Visit:
    """One network (`network` is its index) once loaded, profiled and timed."""

    network: int
    kernel_us: Mapping[Kernel, float]  # mean over its sites, of medians over the runs
    sites: Mapping[Kernel, int]  # how often each kernel stands in the network
    network_ms: float  # median of runs without the profiler
    runs: int
    disturbed: float  # share of the runs in which another program took the processor
    run_s: float  # one profiled and one plain run
    loading_s: float


def visit_networks(
    networks: Sequence[Callable[[], bytes]],
    executions: Sequence[Execution],
    device: DeviceSpec,
    *,
    seconds: float,
    seed: int,
    tell: OnProgress,
) -> list[list[Visit]]:
    """Measure every network again and again, in turns, until `seconds` are spent: one list of visits a round.

    Each round loads every network once, in an order of its own, runs it a few times under the
    runtime's profiler and a few times without, so that a drift of the machine's speed falls on all
    networks alike. A warm-up round and two measured ones are run in any case.
    """
    start = time.monotonic()
    rng = np.random.default_rng(seed)

    def visit(index: int, runs: int) -> Visit:
        return _visit(index, networks[index](), executions[index], device, runs)

    warm_up = [visit(k, _FEWEST_RUNS) for k in range(len(networks))]
    runs = _runs_a_visit(warm_up, (seconds - (time.monotonic() - start)) / _ROUNDS)
    rounds: list[list[Visit]] = []
    longest = 0.0
    while len(rounds) < 2 or time.monotonic() - start + longest < seconds:
        began = time.monotonic()
        rounds.append([visit(int(k), runs) for k in rng.permutation(len(networks))])
        longest = max(longest, time.monotonic() - began)
        tell("timing kernels", min(1.0, (time.monotonic() - start) / seconds))
    return rounds


def _visit(index: int, network: bytes, execution: Execution, device: DeviceSpec, runs: int) -> Visit:
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="autoprune-") as folder:
        session = Session(network, device, profile_to=Path(folder))
        loaded = time.monotonic()
        profiled = session.time(runs, warm_up=_WARM_UP_RUNS)
        events = read_events(session.end_profiling()).values()
    plain = session.time(runs, warm_up=1)
    by_kernel: dict[Kernel, list[float]] = defaultdict(list)
    for node in events:
        by_kernel[execution.kernel(node)].append(
            median_us(np.array(node.durations_us[_WARM_UP_RUNS:])[profiled.undisturbed])
        )
    return Visit(
        network=index,
        kernel_us={kernel: statistics.fmean(times) for kernel, times in by_kernel.items()},
        sites={kernel: len(times) for kernel, times in by_kernel.items()},
        network_ms=plain.median_ms,
        runs=runs,
        disturbed=(sum(profiled.disturbed) + sum(plain.disturbed)) / (2 * runs),
        run_s=(statistics.fmean(profiled.ms) + statistics.fmean(plain.ms)) * 1e-3,
        loading_s=loaded - start,
    )


def _runs_a_visit(warm_up: Sequence[Visit], round_s: float) -> int:
    """How often each network can be run in a round of `round_s` seconds, by what the warm-up round took."""
    spare = round_s - sum(visit.loading_s for visit in warm_up)
    return int(np.clip(spare / sum(visit.run_s for visit in warm_up), _FEWEST_RUNS, _MOST_RUNS))


def time_in_turns(
    networks: Sequence[Callable[[], bytes] | Path],
    device: DeviceSpec,
    *,
    rounds: int,
    runs: int,
    seed: int = 0,
    tell: OnProgress = silent,
) -> list[list[float]]:
    """Whole-network times in ms, one list a network of one median a round, measured in turns (A B A B ...).

    Each round loads a network, warms it up and runs it `runs` times, so that ratios between
    networks hold although the machine's speed drifts.
    """
    rng = np.random.default_rng(seed)
    times: list[list[float]] = [[] for _ in networks]
    for done in range(rounds):
        for k in rng.permutation(len(networks)):
            network = networks[k]
            session = Session(network if isinstance(network, Path) else network(), device)
            times[k].append(session.time(runs, warm_up=_WARM_UP_RUNS).median_ms)
        tell("timing networks in turns", (done + 1) / rounds)
    return times
