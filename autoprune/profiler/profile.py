"""What a profiler is for: a table of a device; free of torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from autoprune.device import Device
from autoprune.profiler.energy.energy_model import energy_of
from autoprune.profiler.listening import OnProgress, silent
from autoprune.profiler.plan.blueprint import Networks
from autoprune.profiler.plan.observing import Observed, observe_more, observe_plan
from autoprune.profiler.runtime.fingerprint import Conditions, Fingerprint
from autoprune.profiler.runtime.pinning import pinned
from autoprune.profiler.runtime.session import require_true_times
from autoprune.profiler.table.analysis import make_table
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.timing.averaging import settled
from autoprune.profiler.timing.journal import Journal
from autoprune.profiler.timing.overhead import measured_overhead_ms
from autoprune.profiler.timing.reference import Reference
from autoprune.profiler.timing.visits import Visit, Visitor, runs_a_visit, visit_rounds


def profile(
    networks: Networks,
    *,
    device: Device,
    seconds: float,
    seed: int = 0,
    journal: Path | None = None,
    keep: Callable[[LatencyTable], object] | None = None,
    on_progress: OnProgress = silent,
) -> LatencyTable:
    """Measure the kernels of `networks` over the widths that their blueprint offers, in at most about `seconds`.

    Every offered width of every group is measured inside whole networks, until all kernels are
    settled or the time is spent. The seed chooses the networks and their order; the times are the
    machine's. With a `journal` (a file) what was measured is kept there as it comes, and a call
    with the same arguments goes on from it; the file is removed when the table is complete and `keep`,
    which is handed the table to store it, has returned. Raises `BadInput` where the device has no such
    provider, or does not let its kernels be timed, or the journal is another profile's.
    """
    start = time.monotonic()
    here, conditions = Fingerprint.here(device), Conditions.now()
    require_true_times(device)
    book = Journal(journal, networks.blueprint, here, seed)
    with pinned(device):
        observed = observe_plan(networks, device, seed=seed, tell=on_progress)
        observed = observe_more(observed, networks, device, seed=seed, tell=on_progress)
        left = seconds - (time.monotonic() - start)
        visits = _measure(networks, observed, book, device=device, seconds=left, seed=seed, tell=on_progress)
        profiler_ms = measured_overhead_ms(device)
        makers = [partial(networks, policy) for policy in observed.policies]
        energy = energy_of(makers, [one.kernels for one in observed.executions], device, on_progress)
    table = make_table(networks.blueprint, observed, visits, here, conditions, energy, profiler_ms=profiler_ms)
    if keep is not None:
        keep(table)
    book.finish()
    return table


def _measure(
    networks: Networks,
    observed: Observed,
    book: Journal,
    *,
    device: Device,
    seconds: float,
    seed: int,
    tell: OnProgress,
) -> list[Visit]:
    makers = [partial(networks, policy) for policy in observed.policies]
    visitor = Visitor(makers, observed.executions, device, Reference(device))
    kept, visits = book.read(observed.executions)
    runs: Sequence[int] | None = kept
    if runs is None:
        start = time.monotonic()
        runs = runs_a_visit(visitor, seconds, tell)
        seconds -= time.monotonic() - start
        book.start(runs)
    for visit in visit_rounds(visitor, visits, runs=runs, seconds=seconds, seed=seed, settled=settled, tell=tell):
        book.add(visit, observed.executions[visit.network])
        visits.append(visit)
    return visits
