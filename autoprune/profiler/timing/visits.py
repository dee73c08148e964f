"""Times kernels inside whole networks, in interleaved rounds; free of torch."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autoprune.cost import Kernel
from autoprune.device import Device
from autoprune.profiler.listening import OnProgress, silent
from autoprune.profiler.runtime.events import median_us, read_events
from autoprune.profiler.runtime.executed import Execution
from autoprune.profiler.runtime.pinning import pinned
from autoprune.profiler.runtime.session import Session
from autoprune.profiler.timing.reference import Reference

_FEWEST_RUNS, _MOST_RUNS = 2, 40
_ROUNDS = 8
_FEWEST_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Visit:
    """One network (`network` is its index) once loaded, profiled and timed."""

    network: int
    kernel_us: Mapping[Kernel, float]  # mean over its sites, of medians over the runs
    sites: Mapping[Kernel, int]  # how often each kernel stands in the network
    network_ms: float  # median of runs without the profiler
    reference_ms: float  # the reference network, just before
    runs: int
    disturbed: float  # share of the runs in which another program took the processor
    run_s: float  # one profiled and one plain run
    loading_s: float
    took_s: float  # all of it


@dataclass(frozen=True)
class Visitor:
    """Visits networks on a device: `visitor(index, runs)` visits one of them."""

    networks: Sequence[Callable[[], bytes]]
    executions: Sequence[Execution]
    device: Device
    reference: Reference

    def __call__(self, index: int, runs: int) -> Visit:
        """Load one network, run it `runs` times, load it again, and run it as often under the runtime's profiler.

        Twice, because a session that was profiled stays a few percent slower.
        """
        start = time.monotonic()
        reference_ms = self.reference.time_ms()
        network = self.networks[index]()
        before = time.monotonic()
        session = Session(network, self.device)
        loaded = time.monotonic()
        session.warm_up()
        plain = session.time(runs)
        with tempfile.TemporaryDirectory(prefix="autoprune-") as folder:
            session = Session(network, self.device, profile_to=Path(folder))
            warm_up = session.warm_up()
            profiled = session.time(runs)
            events = read_events(session.end_profiling()).values()
        by_kernel: dict[Kernel, list[float]] = defaultdict(list)
        for node in events:
            by_kernel[self.executions[index].kernel(node)].append(
                median_us(np.array(node.durations_us[warm_up:])[profiled.undisturbed])
            )
        return Visit(
            network=index,
            kernel_us={kernel: statistics.fmean(times) for kernel, times in by_kernel.items()},
            sites={kernel: len(times) for kernel, times in by_kernel.items()},
            network_ms=plain.median_ms,
            reference_ms=reference_ms,
            runs=runs,
            disturbed=(sum(profiled.disturbed) + sum(plain.disturbed)) / (2 * runs),
            run_s=(statistics.fmean(profiled.ms) + statistics.fmean(plain.ms)) * 1e-3,
            loading_s=loaded - before,
            took_s=time.monotonic() - start,
        )


def runs_a_visit(visitor: Visitor, seconds: float, tell: OnProgress) -> tuple[int, ...]:
    """How often each network is to be run in a visit, if eight rounds are to take `seconds`: fast ones more often.

    Visits all networks once, which warms the machine up.
    """
    start = time.monotonic()
    warm_up = []
    for index in range(len(visitor.networks)):
        warm_up.append(visitor(index, 1))
        tell("warming up", (index + 1) / len(visitor.networks))
    spare = (seconds - (time.monotonic() - start)) / _ROUNDS - sum(visit.took_s - visit.run_s for visit in warm_up)
    share_s = spare / len(warm_up)
    return tuple(int(np.clip(share_s / visit.run_s, _FEWEST_RUNS, _MOST_RUNS)) for visit in warm_up)


def visit_rounds(
    visitor: Visitor,
    done: Sequence[Visit],
    *,
    runs: Sequence[int],
    seconds: float,
    seed: int,
    settled: Callable[[Sequence[Visit]], tuple[int, int]],
    tell: OnProgress,
) -> Iterator[Visit]:
    """Visit every network again and again, in turns, until all is `settled` or `seconds` are spent on visits.

    Each round visits every network once, in an order that `seed` gives it, so that a drift of the
    machine's speed falls on all networks alike. `done` are the visits of an earlier call that was
    cut off: they count, and are not repeated. Two rounds are made in any case. `settled` says of how
    many kernels how many have been measured well enough.
    """
    visits = list(done)
    count = len(visitor.networks)
    order = (int(k) for r in itertools.count() for k in np.random.default_rng((seed, r)).permutation(count))
    spent = sum(visit.took_s for visit in visits)
    check_at, note = _FEWEST_ROUNDS, "timing kernels"
    for index in itertools.islice(order, len(visits), None):
        rounds, inside = divmod(len(visits), count)
        if not inside and rounds >= check_at:
            well, of = settled(visits)
            if well == of:
                return
            note, check_at = f"timing kernels, {of - well} of {of} need more", rounds + max(1, rounds // 2)
        if rounds >= _FEWEST_ROUNDS and spent >= seconds:
            return
        visit = visitor(index, runs[index])
        visits.append(visit)
        spent += visit.took_s
        tell(note, min(1.0, spent / max(seconds, spent)))
        yield visit


def time_in_turns(
    networks: Sequence[Callable[[], bytes] | Path],
    device: Device,
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
    with pinned(device):
        for done in range(rounds):
            for k in rng.permutation(len(networks)):
                network = networks[k]
                session = Session(network if isinstance(network, Path) else network(), device)
                session.warm_up()
                times[k].append(session.time(runs).median_ms)
            tell("timing networks in turns", (done + 1) / rounds)
    return times
