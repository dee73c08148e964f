"""What policies of a subject cost: counts always, latency and energy where a budget or a table asks for them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from autoprune.budget import Budget
from autoprune.cost import CostModel, CountPlan, Metric
from autoprune.deploy.onnx_file.size import with_file_size
from autoprune.errors import BadInput, UnknownKernel
from autoprune.feasible import DeviceBudgets, FeasibleSet
from autoprune.pipeline.costs.table import device_name, digest, profiled_space, table_of
from autoprune.pipeline.subject import Network
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.profiler.table.stairs import cheaper_widths, pareto_widths
from autoprune.progress import Progress
from autoprune.space import SearchSpace
from autoprune.spec import OtherDeviceSpec, RunSpec
from autoprune.tables.reading import read_table

# Offered widths per group where cost has no stairs: more choices than this make no better policy.
_MOST_WIDTHS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Costing:
    """The space with the widths on offer, the cost model over it, and the table that latency and energy come from.

    `elsewhere` are the other devices whose budgets are to be kept.
    """

    space: SearchSpace
    model: CostModel
    table: LatencyTable | None
    elsewhere: tuple[DeviceBudgets, ...] = ()

    def feasible(self, budgets: Sequence[Budget]) -> FeasibleSet:
        """The policies that keep `budgets` here, and the other devices' there."""
        return FeasibleSet(self.space, self.model, budgets, self.elsewhere)


def cost_policies(
    network: Network, spec: RunSpec, kept_table: Path | None, progress: Progress, *, stairs_only: bool = True
) -> Costing:
    """The cost model of a run.

    Where latency or energy matters, or a table is given, both are known. Widths are then the stairs
    of the measured latency (of the energy, where only that matters): no width is offered that
    costs as much as a larger one, on this device or another that the policy is for; without
    `stairs_only` all that were measured are. A table that is measured here is written to
    `kept_table` and read from there when the run is resumed.
    """
    search, device = spec.search, spec.device
    matters = {metric for metric in (Metric.LATENCY, Metric.ENERGY) if search.concerns(metric)}
    here = None
    if matters or device.table is not None:
        table = table_of(network, device, kept_table, search.seed, progress)
        here = _OnDevice.of(network, table, device.batch, matters)
    others = [_other_device(network, other) for other in spec.also]
    devices = [*([here] if here else []), *others]
    offered = _offered_by(devices, stairs_only) if devices else thinned(network.traced.space)
    space = offered.keeping_whole(search.keep)
    counts = _counts(network, spec, progress)
    elsewhere = tuple(
        DeviceBudgets(device.model(space, counts), other.budgets, device.name)
        for device, other in zip(others, spec.also, strict=True)
    )
    model = here.model(space, counts) if here else CostModel(space, counts)
    return Costing(space, model, here.table if here else None, elsewhere)


@dataclass(frozen=True, slots=True, eq=False)
class _OnDevice:
    """A network on the device of a table; `matters` says which of latency and energy is to be low there."""

    table: LatencyTable
    timed: TimedPlan
    matters: Set[Metric]

    @classmethod
    def of(cls, network: Network, table: LatencyTable, batch: int, matters: Set[Metric]) -> Self:
        """Raises `BadInput` where the table does not hold the network at this batch size."""
        return cls(table, TimedPlan.of(table, digest(network, batch), profiled_space(network)), matters)

    @property
    def name(self) -> str:
        """The device, for people."""
        return device_name(self.table.fingerprint)

    def offered(self) -> SearchSpace:
        """The widths that are worth offering here."""
        if self.matters == {Metric.ENERGY}:
            return cheaper_widths(self.timed.space, self.timed.energy())
        return pareto_widths(self.timed)

    def model(self, space: SearchSpace, counts: CountPlan) -> CostModel:
        """Costs over `space`; energy is not known where the work of an operator is not, unless it matters."""
        try:
            energy = self.timed.energy(space)
        except UnknownKernel:
            if Metric.ENERGY in self.matters:
                raise
            energy = None
        return CostModel(space, counts, self.timed.latency(space), energy)


def _other_device(network: Network, other: OtherDeviceSpec) -> _OnDevice:
    """The network on a device that is not at hand; raises `BadInput` that names its table."""
    try:
        return _OnDevice.of(network, read_table(other.table), other.batch, {b.metric for b in other.budgets})
    except BadInput as error:
        raise BadInput(f"{other.table}, the table of another device: {error}") from error


def _offered_by(devices: Sequence[_OnDevice], stairs_only: bool) -> SearchSpace:
    """The widths that were measured on all devices, and (`stairs_only`) are worth offering on one of them."""
    measured = [device.timed.space for device in devices]
    offered = [device.offered() for device in devices] if stairs_only else measured
    groups = range(len(offered[0]))
    some, common = set[int].union, set[int].intersection
    return offered[0].with_widths([sorted(some(*_widths(offered, g)) & common(*_widths(measured, g))) for g in groups])


def _widths(spaces: Sequence[SearchSpace], group: int) -> list[set[int]]:
    """What each space offers for a group; the dense width is always among it."""
    return [set(space.groups[group].widths) for space in spaces]


def _counts(network: Network, spec: RunSpec, progress: Progress) -> CountPlan:
    """What is counted of the network: with the size of its file where that matters."""
    if not spec.search.concerns(Metric.SIZE):
        return network.traced.counts
    with progress.stage("sizing the file"):
        return with_file_size(network.traced.counts, network.model, network.traced, network.images(spec.device.batch))


def thinned(space: SearchSpace) -> SearchSpace:
    """At most `_MOST_WIDTHS` evenly spread widths a group, the dense one among them."""
    return space.with_widths([_spread(g.widths) for g in space.groups])


def _spread(widths: Sequence[int]) -> tuple[int, ...]:
    step = -(-len(widths) // _MOST_WIDTHS)
    return tuple(widths[::-1][::step][::-1])
