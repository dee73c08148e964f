"""From what was measured to a table: rows, and how they add up in the network; free of torch."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from autoprune.cost import FloatArray, Kernel, Measurement
from autoprune.errors import UnknownKernel
from autoprune.profiler.energy.energy_model import EnergyModel
from autoprune.profiler.plan.blueprint import Blueprint, units_of
from autoprune.profiler.plan.kernel_plan import KernelPlan
from autoprune.profiler.plan.observing import Observed
from autoprune.profiler.plan.sampling import level_policies
from autoprune.profiler.runtime.fingerprint import Conditions, Fingerprint
from autoprune.profiler.table.composition import fit_composition, network_ms, profiler_overhead_ms, without_overhead
from autoprune.profiler.table.interpolation import KernelTimes
from autoprune.profiler.table.latency_table import SCHEMA, LatencyTable
from autoprune.profiler.table.network_profile import Anchor, NetworkProfile, groups_of
from autoprune.profiler.table.row import Row
from autoprune.profiler.timing.averaging import average, summary, times_without
from autoprune.profiler.timing.visits import Visit

_FOLDS = 8


def make_table(
    blueprint: Blueprint,
    observed: Observed,
    visits: Sequence[Visit],
    here: Fingerprint,
    conditions: Conditions,
    energy: EnergyModel,
    *,
    profiler_ms: float,
) -> LatencyTable:
    """The table that the visits to the observed networks give, at the speed of the median visit.

    `profiler_ms` is what the runtime's profiler was measured to add to a kernel.
    """
    rows = average(visits)
    overhead_ms = profiler_overhead_ms(visits, rows.speed, profiler_ms)
    kernels = {kernel: without_overhead(time, overhead_ms) for kernel, time in rows.kernels.items()}
    runs = Counter[Kernel]()
    for visit in visits:
        runs.update(dict.fromkeys(visit.kernel_us, visit.runs))
    return LatencyTable(
        schema=SCHEMA,
        units="ms",
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        fingerprint=here,
        conditions=conditions,
        reference=_brief(summary([visit.reference_ms for visit in visits], len(visits))),
        drift=_digits(rows.drift),
        disturbed=_digits(float(np.mean([visit.disturbed for visit in visits]))),
        overhead_us=_digits(overhead_ms * 1e3),
        energy=energy,
        networks={blueprint.digest: _profile(blueprint, observed, visits, rows.speed, kernels, overhead_ms)},
        rows=tuple(Row.of(kernel, time, runs[kernel]) for kernel, time in kernels.items()),
    )


def _profile(
    blueprint: Blueprint,
    observed: Observed,
    visits: Sequence[Visit],
    speed: FloatArray,
    kernels: Mapping[Kernel, Measurement],
    overhead_ms: float,
) -> NetworkProfile:
    units = [units_of(blueprint.space, policy) for policy in observed.policies]
    times = KernelTimes(kernels)
    dense_ms = _sum_ms(observed.plan, units_of(blueprint.space, blueprint.space.dense()), times, times)
    sums = _held_out_sums(observed.plan, units, visits, speed, times, overhead_ms)
    whole_ms = network_ms(visits, speed, len(units))
    composition = fit_composition(sums, whole_ms, dense_ms)
    return NetworkProfile(
        name=blueprint.name,
        input_shape=blueprint.input_shape,
        groups=groups_of(blueprint),
        plan=observed.plan,
        scale=_digits(composition.scale),
        crowding=_digits(composition.crowding),
        constant_ms=_digits(composition.constant_ms),
        dense_ms=_digits(dense_ms),
        anchors=_anchors(blueprint, observed, whole_ms),
        networks=len(units),
        mape=_digits(float(np.mean(np.abs(composition(sums) - whole_ms) / whole_ms))),
        unexplained=_digits(_unexplained(observed, kernels)),
    )


def _anchors(blueprint: Blueprint, observed: Observed, whole_ms: FloatArray) -> tuple[Anchor, ...]:
    policies = [policy for policy in level_policies(blueprint.space) if policy in observed.policies]
    return tuple(Anchor(policy.widths, _digits(whole_ms[observed.policies.index(policy)])) for policy in policies)


def _held_out_sums(
    plan: KernelPlan,
    units: Sequence[Sequence[int]],
    visits: Sequence[Visit],
    speed: FloatArray,
    own: KernelTimes,
    overhead_ms: float,
) -> FloatArray:
    """Sum of the kernels' times in ms [networks], what was measured in a network being left out of its own sum.

    A kernel runs slower in a large network (its weights have left the cache). A time that this very
    network gave knows that, one that is looked up for an unseen network does not, and the
    composition has to make up for it. So an eighth of the networks at a time is predicted from
    the visits to the others; `own` times count only for kernels that the others do not tell.
    """
    sums = np.empty(len(units))
    for fold in range(min(_FOLDS, len(units))):
        held_out = range(fold, len(units), _FOLDS)
        rows = times_without(visits, speed, held_out)
        times = KernelTimes({kernel: without_overhead(time, overhead_ms) for kernel, time in rows.items()})
        for k in held_out:
            sums[k] = _sum_ms(plan, units[k], times, own)
    return sums


def _sum_ms(plan: KernelPlan, units: Sequence[int], times: KernelTimes, fallback: KernelTimes) -> float:
    total = 0.0
    for site in plan.sites:
        kernel = site.kernel(units)
        if kernel is not None:
            try:
                total += times(kernel, site.varying()).ms
            except UnknownKernel:
                total += fallback(kernel, site.varying()).ms
    return total


def _unexplained(observed: Observed, kernels: Mapping[Kernel, Measurement]) -> float:
    """Share of the kernels' time that sites outside the plan take."""
    left_out = set(observed.plan.unexplained)
    sites = [site for execution in observed.executions for site in execution.sites]
    outside = math.fsum(kernels[site.kernel].median for site in sites if (site.name, site.kernel.op) in left_out)
    return outside / math.fsum(kernels[site.kernel].median for site in sites)


def _brief(time: Measurement) -> Measurement:
    return Measurement(_digits(time.median), _digits(time.spread), time.runs)


def _digits(value: float) -> float:
    """`value` with the six digits that may mean something, so that a table can be read."""
    return float(f"{value:.6g}")
