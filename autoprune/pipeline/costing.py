"""What policies of a subject cost: counts always, latency where a budget or a table asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoprune.cost import CostModel, Metric
from autoprune.pipeline.subject import Network
from autoprune.profiler.family import Networks
from autoprune.profiler.networks import networks
from autoprune.profiler.profile import profile, timed_plan
from autoprune.profiler.stairs import candidate_widths, pareto_widths
from autoprune.profiler.table import LatencyTable
from autoprune.progress import Progress
from autoprune.space import SearchSpace
from autoprune.spec import DeviceSpec, SearchSpec

# Offered widths per group where cost has no stairs: more choices than this make no better policy.
_MOST_WIDTHS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Costing:
    """The space with the widths on offer, the cost model over it, and the table that latencies come from."""

    space: SearchSpace
    model: CostModel
    table: LatencyTable | None


def cost_policies(
    network: Network, device: DeviceSpec, search: SearchSpec, kept_table: Path | None, progress: Progress
) -> Costing:
    """The cost model of a run.

    With a latency budget or a given table, widths are the stairs of the measured cost: no width
    is offered that costs as much as a larger one. A table that is measured here is written to
    `kept_table` and read from there when the run is resumed.
    """
    traced = network.traced
    if not search.limits(Metric.LATENCY) and device.table is None:
        space = thinned(traced.space)
        return Costing(space, CostModel(space, traced.counts), None)
    space = profiled_space(network)
    shape = (device.batch, *network.example.shape[1:])
    with progress.stage("exporting sample networks"):
        copies = networks(network.bare, space, shape, seed=search.seed, on_progress=telling(progress))
    table = _table(network, copies, space, device, kept_table, search.seed, progress)
    with progress.stage("reading the table"):
        timed = timed_plan(copies, space, table, device=device, seed=search.seed, on_progress=telling(progress))
        stairs = pareto_widths(timed)
        latency = timed.latency_model(stairs)
    return Costing(stairs, CostModel(stairs, traced.counts, latency), table)


def _table(
    network: Network,
    copies: Networks,
    space: SearchSpace,
    device: DeviceSpec,
    kept: Path | None,
    seed: int,
    progress: Progress,
) -> LatencyTable:
    """The given table, the one that this run measured before, or a new one."""
    given = device.table or (kept if kept is not None and kept.is_file() else None)
    if given is not None:
        return LatencyTable.load(given)
    with progress.stage("profiling the device"):
        table = profile(
            copies,
            space,
            device=device,
            seconds=device.seconds,
            seed=seed,
            name=network.name,
            on_progress=telling(progress),
        )
    if kept is not None:
        table.save(kept)
    return table


def profiled_space(network: Network) -> SearchSpace:
    """The network's groups, offering the widths that are worth measuring."""
    groups = network.traced.space.groups
    return network.traced.space.with_widths([candidate_widths(g) for g in groups])


def telling(progress: Progress) -> Callable[[str, float], None]:
    """The profiler's way of reporting (a message, a fraction done), handed to `progress`."""
    return lambda note, done: progress.advance(done, 1.0, note)


def thinned(space: SearchSpace) -> SearchSpace:
    """At most `_MOST_WIDTHS` evenly spread widths a group, the dense one among them."""
    return space.with_widths([_spread(g.widths) for g in space.groups])


def _spread(widths: Sequence[int]) -> tuple[int, ...]:
    step = -(-len(widths) // _MOST_WIDTHS)
    return tuple(widths[::-1][::step][::-1])
