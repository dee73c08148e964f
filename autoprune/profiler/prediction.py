"""A kernel plan with its times: the latency of any policy, and how much of it was really measured; free of torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoprune.cost import Kernel
from autoprune.errors import UnknownKernel
from autoprune.latency import LatencyModel
from autoprune.profiler.family import units_of
from autoprune.profiler.fitting import KernelTime, KernelTimes
from autoprune.profiler.plan import KernelPlan, PlannedSite
from autoprune.profiler.sampling import random_policies
from autoprune.space import SearchSpace

_POLICIES_COVERED = 200


@dataclass(frozen=True, slots=True)
class Coverage:
    """Where predictions come from, over random policies: shares of the kernels looked up, which add up to 1."""

    measured: float
    fitted: float
    unknown: float


@dataclass(frozen=True)
class TimedPlan:
    """What a network executes for any policy of `space`, and how long each kernel takes.

    A whole network takes `constant_ms` + `scale` x the sum of its kernels' times.
    """

    space: SearchSpace
    plan: KernelPlan
    times: KernelTimes
    scale: float
    constant_ms: float

    @property
    def digest(self) -> str:
        """What the table calls this network: see `KernelPlan.digest`."""
        return self.plan.digest(units_of(self.space, self.space.dense()))

    def site_time(self, site: PlannedSite, units: Sequence[int]) -> KernelTime | None:
        """Time of `site` when group g keeps `units[g]` units; None where it is not there. Raises `UnknownKernel`."""
        kernel = site.kernel(units)
        return None if kernel is None else self.times(kernel, site.varying())

    def kernel_sum_ms(self, units: Sequence[int]) -> float:
        """Sum of the kernels' times in ms when group g keeps `units[g]` units; raises `UnknownKernel`."""
        found = (self.site_time(site, units) for site in self.plan.sites)
        return math.fsum(time.ms for time in found if time is not None)

    def latency_model(self, space: SearchSpace | None = None) -> LatencyModel:
        """The same for `cost.CostModel`, over the widths that `space` offers (by default the plan's own)."""
        sites = {site.key: site for site in self.plan.sites}
        groups = {key: site.groups() for key, site in sites.items()}
        size = len(self.space)

        def site_ms(asked: Kernel) -> float:
            units = [0] * size
            for group, kept in zip(groups[asked.op], asked.inputs[0], strict=True):
                units[group] = kept
            time = self.site_time(sites[asked.op], units)
            return time.ms if time is not None else 0.0  # observed: the runtime executes nothing there

        nodes = [site.node() for site in self.plan.sites]
        return LatencyModel(space or self.space, nodes, site_ms, scale=self.scale, constant_ms=self.constant_ms)

    def coverage(self, seed: int = 0) -> Coverage:
        """How many of the kernels of random policies are measured, fitted from their likes, or unknown."""
        counts = {"measured": 0, "fitted": 0, "unknown": 0}
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
        total = sum(counts.values())
        return Coverage(**{source: count / total for source, count in counts.items()})
