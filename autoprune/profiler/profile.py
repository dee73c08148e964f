"""The two things a profiler is for: a table of a device, and the latency of any policy read from it; free of torch."""

from __future__ import annotations

import datetime
import math
import os
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from autoprune.cost import FloatArray, Kernel, Measurement
from autoprune.errors import BadInput, UnknownKernel
from autoprune.profiler.averaging import average, fit_network, network_ms, profiler_overhead_ms, without_overhead
from autoprune.profiler.family import Networks, units_of
from autoprune.profiler.fingerprint import DeviceFingerprint
from autoprune.profiler.fitting import KernelTimes
from autoprune.profiler.listening import OnProgress, silent
from autoprune.profiler.observing import Observed, observe_more, observe_plan
from autoprune.profiler.plan import KernelPlan
from autoprune.profiler.prediction import TimedPlan
from autoprune.profiler.table import LatencyTable, NetworkFit, Row
from autoprune.profiler.timing import visit_networks
from autoprune.space import SearchSpace
from autoprune.spec import DeviceSpec

_FOLDS = 8


def profile(
    networks: Networks,
    space: SearchSpace,
    *,
    device: DeviceSpec,
    seconds: float,
    seed: int = 0,
    name: str = "network",
    on_progress: OnProgress = silent,
) -> LatencyTable:
    """Measure the kernels of `networks` over the widths that `space` offers, for about `seconds`.

    Every offered width of every group is measured inside whole networks. The one network in the
    result's `networks` is called `name`. The seed chooses the networks and their order; the times
    are the machine's. Raises `BadInput` where the device has no such provider, or does not let its
    kernels be timed.
    """
    here = DeviceFingerprint.here(device)
    _require_true_times(device)
    observed = observe_plan(networks, space, device, seed=seed, tell=on_progress)
    observed = observe_more(observed, networks, space, device, seed=seed, tell=on_progress)
    makers = [partial(networks, policy) for policy in observed.policies]
    rounds = visit_networks(makers, observed.executions, device, seconds=seconds, seed=seed, tell=on_progress)
    visits = [visit for one in rounds for visit in one]
    rows = average(visits)
    overhead_ms = profiler_overhead_ms(visits, rows.speed)
    kernels = {kernel: without_overhead(time, overhead_ms) for kernel, time in rows.kernels.items()}
    whole_ms = network_ms(visits, rows.speed, len(observed.policies))
    digest = observed.plan.digest(units_of(space, space.dense()))
    return LatencyTable(
        created=datetime.datetime.now(datetime.UTC).date(),
        fingerprint=here,
        drift=rows.drift,
        disturbed=float(np.mean([visit.disturbed for visit in visits])),
        overhead_us=overhead_ms * 1e3,
        networks={digest: _fit(space, observed, kernels, whole_ms, name)},
        rows=tuple(Row.of(kernel, time) for kernel, time in kernels.items()),
    )


def timed_plan(
    networks: Networks,
    space: SearchSpace,
    table: LatencyTable,
    *,
    device: DeviceSpec,
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> TimedPlan:
    """The kernels of `networks` for any policy of `space`, with the times that `table` gives them.

    Looks at a few dozen networks (one run each; nothing is timed). Raises `ForeignTable` where the
    table is another device's and `device.allow_foreign_table` is not set, `BadInput` where it does
    not hold this network.
    """
    table.fingerprint.require_same(DeviceFingerprint.here(device), allow_foreign=device.allow_foreign_table)
    observed = observe_plan(networks, space, device, seed=seed, tell=on_progress)
    fit = table.fit(observed.plan.digest(units_of(space, space.dense())))
    return TimedPlan(space, observed.plan, KernelTimes(table.kernels), fit.scale, fit.constant_ms)


def _require_true_times(device: DeviceSpec) -> None:
    """CUDA returns from a kernel before it has run, unless its driver was told otherwise before it was loaded."""
    if device.provider == "cuda" and os.environ.get("CUDA_LAUNCH_BLOCKING") != "1":
        raise BadInput(
            "provider cuda: kernels run asynchronously and cannot be timed one by one; start with "
            "CUDA_LAUNCH_BLOCKING=1 in the environment (the latencies are then those of blocking launches)"
        )


def _fit(
    space: SearchSpace, observed: Observed, kernels: Mapping[Kernel, Measurement], whole_ms: FloatArray, name: str
) -> NetworkFit:
    sums = _held_out_sums(space, observed, kernels)
    scale, constant_ms = fit_network(sums, whole_ms)
    return NetworkFit(
        name=name,
        scale=scale,
        constant_ms=constant_ms,
        networks=len(observed.policies),
        mape=float(np.mean(np.abs(constant_ms + scale * sums - whole_ms) / whole_ms)),
        unexplained=_unexplained(observed, kernels),
    )


def _held_out_sums(space: SearchSpace, observed: Observed, kernels: Mapping[Kernel, Measurement]) -> FloatArray:
    """Sum of the kernels' times in ms [networks], each network's own rows being left out of its sum.

    A kernel runs slower in a large network (its weights have left the cache). A row that only one
    network gave knows which; a row asked for an unseen network does not, and scale and constant
    have to make up for it. So each network is predicted from the others' rows, an eighth of the
    networks at a time; its own row counts only where the others leave none.
    """
    own = KernelTimes(kernels)
    seen_in = [set(execution.kernels) for execution in observed.executions]
    sums = np.empty(len(seen_in))
    for fold in range(min(_FOLDS, len(seen_in))):
        others = set().union(*(seen for k, seen in enumerate(seen_in) if k % _FOLDS != fold))
        times = KernelTimes({kernel: time for kernel, time in kernels.items() if kernel in others})
        for k in range(fold, len(seen_in), _FOLDS):
            sums[k] = _sum_ms(observed.plan, units_of(space, observed.policies[k]), times, own)
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
    left_out = observed.plan.unexplained
    sites = [site for execution in observed.executions for site in execution.sites]
    outside = math.fsum(kernels[site.kernel].median for site in sites if (site.name, site.kernel.op) in left_out)
    return outside / math.fsum(kernels[site.kernel].median for site in sites)
