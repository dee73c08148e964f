"""What policies of a subject cost: counts always, latency and energy where a budget or a table asks for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoprune.copies.networks import Copies, networks
from autoprune.cost import CostModel, Metric
from autoprune.errors import UnknownKernel
from autoprune.pipeline.subject import Network
from autoprune.profiler.plan.blueprint import architecture_digest
from autoprune.profiler.profile import profile
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.prediction import NetworkEnergy, TimedPlan
from autoprune.profiler.table.stairs import candidate_widths, cheaper_widths, pareto_widths
from autoprune.progress import Progress
from autoprune.space import SearchSpace
from autoprune.spec import DeviceSpec, SearchSpec
from autoprune.tables.installed import find_table
from autoprune.tables.reading import read_table

# Offered widths per group where cost has no stairs: more choices than this make no better policy.
_MOST_WIDTHS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Costing:
    """The space with the widths on offer, the cost model over it, and the table that latency and energy come from."""

    space: SearchSpace
    model: CostModel
    table: LatencyTable | None


def cost_policies(
    network: Network, device: DeviceSpec, search: SearchSpec, kept_table: Path | None, progress: Progress
) -> Costing:
    """The cost model of a run.

    With a budget on latency or energy, or a given table, both are known. Widths are then the stairs
    of the measured latency (of the energy, where only that is limited): no width is offered that
    costs as much as a larger one. A table that is measured here is written to `kept_table` and read
    from there when the run is resumed.
    """
    traced = network.traced
    if not (search.limits(Metric.LATENCY) or search.limits(Metric.ENERGY)) and device.table is None:
        space = thinned(traced.space)
        return Costing(space, CostModel(space, traced.counts), None)
    table = _table(network, device, kept_table, search.seed, progress)
    timed = TimedPlan.of(table, digest(network, device.batch), profiled_space(network))
    limited = search.limits(Metric.ENERGY)
    energy_only = limited and not search.limits(Metric.LATENCY)
    offered = cheaper_widths(timed.space, timed.energy()) if energy_only else pareto_widths(timed)
    energy = _energy(timed, offered, needed=limited)
    return Costing(offered, CostModel(offered, traced.counts, timed.latency(offered), energy), table)


def _energy(timed: TimedPlan, space: SearchSpace, *, needed: bool) -> NetworkEnergy | None:
    """Energy of policies; where the work of an operator is not known, None, or `UnknownKernel` if it is `needed`."""
    try:
        return timed.energy(space)
    except UnknownKernel:
        if needed:
            raise
        return None


def _table(network: Network, device: DeviceSpec, kept: Path | None, seed: int, progress: Progress) -> LatencyTable:
    """The given table, the one that this run measured before, an installed one of this device, or a new one."""
    here = Fingerprint.here(device.device)
    given = device.table or (kept if kept is not None and kept.is_file() else None)
    if given is not None:
        table = read_table(given)
        table.fingerprint.require_same(here, allow_foreign=device.allow_foreign_table)
        return table
    installed = find_table(here, digest(network, device.batch))
    if installed is None:
        return measured_table(network, device, (device.batch, *network.example.shape[1:]), kept, seed, progress)
    if kept is not None:
        installed.save(kept)
    return installed


def measured_table(
    network: Network, device: DeviceSpec, shape: tuple[int, ...], out: Path | None, seed: int, progress: Progress
) -> LatencyTable:
    """Measure the network at an input of `shape` on this machine, into the table in `out` if there is one.

    What is measured is kept beside `out` until the table holds it. Raises `ForeignTable` where
    `out` is another device's.
    """
    known = read_table(out) if out is not None and out.is_file() else None
    if known is not None:
        known.fingerprint.require_same(Fingerprint.here(device.device))
    copies = copies_of(network, shape, seed, progress)

    def grown(measured: LatencyTable) -> LatencyTable:
        return known.merge(measured) if known is not None else measured

    with progress.stage("profiling the device"):
        measured = profile(
            copies,
            device=device.device,
            seconds=device.seconds,
            seed=seed,
            journal=out.with_name(f"{out.name}.journal") if out is not None else None,
            keep=(lambda table: grown(table).save(out)) if out is not None else None,
            on_progress=telling(progress),
        )
    return grown(measured)


def copies_of(network: Network, shape: tuple[int, ...], seed: int, progress: Progress) -> Copies:
    """Pruned copies of the network for an input of `shape`, the batch first."""
    with progress.stage("exporting sample networks"):
        return networks(
            network.bare,
            profiled_space(network),
            shape,
            name=network.name,
            digest=digest(network, shape[0]),
            seed=seed,
            on_progress=telling(progress),
        )


def digest(network: Network, batch: int) -> str:
    """What latency tables call the network, executed on `batch` inputs at once."""
    shape = (batch, *network.example.shape[1:])
    return architecture_digest(shape, network.traced.space, network.traced.counts)


def profiled_space(network: Network) -> SearchSpace:
    """The network's groups, offering the widths that are worth measuring."""
    groups = network.traced.space.groups
    return network.traced.space.with_widths([candidate_widths(g) for g in groups])


def telling(progress: Progress) -> Callable[[str, float], None]:
    """The profiler's way of reporting (a message, a fraction done), handed to `progress` as percent."""
    return lambda note, done: progress.advance(math.floor(100 * done), 100, note)


def thinned(space: SearchSpace) -> SearchSpace:
    """At most `_MOST_WIDTHS` evenly spread widths a group, the dense one among them."""
    return space.with_widths([_spread(g.widths) for g in space.groups])


def _spread(widths: Sequence[int]) -> tuple[int, ...]:
    step = -(-len(widths) // _MOST_WIDTHS)
    return tuple(widths[::-1][::step][::-1])
