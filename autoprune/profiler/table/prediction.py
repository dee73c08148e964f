"""A kernel plan with its times: the latency of any policy, and how much of it was really measured; free of torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from autoprune.cost import FloatArray, IntArray
from autoprune.errors import UnknownKernel
from autoprune.kernel_sum import KernelSum, Term
from autoprune.profiler.energy.energy_model import EnergyModel
from autoprune.profiler.plan.blueprint import units_of
from autoprune.profiler.plan.kernel_plan import KernelPlan, PlannedSite
from autoprune.profiler.plan.sampling import random_policies
from autoprune.profiler.table.composition import Composition
from autoprune.profiler.table.interpolation import KernelTime, KernelTimes
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.space import SearchSpace

_POLICIES_COVERED = 200


@dataclass(frozen=True, slots=True)
class Coverage:
    """Where predictions come from, over random policies: shares of the kernels looked up, which add up to 1."""

    measured: float
    interpolated: float
    unknown: float


@dataclass(frozen=True, slots=True, eq=False)
class NetworkEnergy:
    """Energy in mJ of policies `widths` [n, groups]: what their kernels do, and static power as long as they take."""

    dynamic_mj: KernelSum
    latency_ms: KernelSum
    static_watts: float

    def __call__(self, widths: IntArray) -> FloatArray:
        """Energies [n]; raises `UnknownKernel`."""
        dynamic = self.dynamic_mj(widths)
        return dynamic + self.static_watts * self.latency_ms(widths) if self.static_watts else dynamic


@dataclass(frozen=True)
class TimedPlan:
    """What a network executes for any policy of `space`, and how long each kernel takes.

    `composition` says how their sum becomes the time of a whole network, `energy_model` what it takes.
    """

    space: SearchSpace
    plan: KernelPlan
    times: KernelTimes
    composition: Composition
    energy_model: EnergyModel = field(default_factory=EnergyModel.modelled)

    @classmethod
    def of(cls, table: LatencyTable, digest: str, space: SearchSpace) -> TimedPlan:
        """The network `digest` of `table`, with the widths of `space` that were measured.

        Raises `BadInput` where the table does not hold this network.
        """
        network = table.network(digest)
        times = KernelTimes(table.kernels)
        composition = Composition(network.scale, network.crowding, network.constant_ms, network.dense_ms)
        return cls(network.offered(space), network.plan, times, composition, table.energy)

    def site_time(self, site: PlannedSite, units: Sequence[int]) -> KernelTime | None:
        """Time of `site` when group g keeps `units[g]` units; None where it is not there. Raises `UnknownKernel`."""
        kernel = site.kernel(units)
        return None if kernel is None else self.times(kernel, site.varying())

    def site_ms(self, site: PlannedSite, units: Sequence[int]) -> float:
        """The same in ms; 0 where the runtime was seen to execute nothing there."""
        time = self.site_time(site, units)
        return time.ms if time is not None else 0.0

    def kernel_sum_ms(self, units: Sequence[int]) -> float:
        """Sum of the kernels' times in ms when group g keeps `units[g]` units; raises `UnknownKernel`."""
        return math.fsum(self.site_ms(site, units) for site in self.plan.sites)

    def latency(self, space: SearchSpace | None = None) -> KernelSum:
        """Latency in ms for `cost.CostModel`, over the widths that `space` offers (by default the plan's own)."""
        terms = [self._term(site, self.site_ms) for site in self.plan.sites]
        how = self.composition
        return KernelSum(
            space or self.space,
            terms,
            scale=how.scale,
            constant=how.constant_ms,
            crowding=how.crowding,
            dense=how.dense_ms,
        )

    @staticmethod
    def _term(site: PlannedSite, value: Callable[[PlannedSite, Sequence[int]], float]) -> Term:
        return Term(site.key, site.groups(), partial(value, site), site.extents())

    def site_dynamic_mj(self, site: PlannedSite, units: Sequence[int]) -> float:
        """What `site` takes for computing and moving data in mJ, 0 where it is not there. Raises `UnknownKernel`."""
        kernel = site.kernel(units)
        return 0.0 if kernel is None else self.energy_model.dynamic_mj(kernel)

    def energy(self, space: SearchSpace | None = None) -> NetworkEnergy:
        """Energy in mJ for `cost.CostModel`, over the widths that `space` offers (by default the plan's own).

        Raises `UnknownKernel` where the work of an operator of this network is not known.
        """
        for site in self.plan.sites:
            self.site_dynamic_mj(site, units_of(self.space, self.space.dense()))
        terms = [self._term(site, self.site_dynamic_mj) for site in self.plan.sites]
        dynamic = KernelSum(space or self.space, terms)
        return NetworkEnergy(dynamic, self.latency(space), self.energy_model.static_watts)

    def coverage(self, seed: int = 0) -> Coverage:
        """How many of the kernels of random policies are measured, interpolated between rows, or unknown."""
        counts = {"measured": 0, "interpolated": 0, "unknown": 0}
        for policy in random_policies(self.space, _POLICIES_COVERED, seed):
            units = units_of(self.space, policy)
            for site in self.plan.sites:
                try:
                    time = self.site_time(site, units)
                except UnknownKernel:
                    counts["unknown"] += 1
                else:
                    if time is not None:
                        counts[time.source] += 1
        total = max(1, sum(counts.values()))
        return Coverage(**{source: count / total for source, count in counts.items()})
