"""The two things a profiler is for: a table of a device, and the latency of any policy read from it; free of torch."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from autoprune.cost import FloatArray, Kernel, Measurement
from autoprune.profiler.averaging import average, fit_network, network_ms, profiler_overhead_ms, without_overhead
from autoprune.profiler.family import Networks, units_of
from autoprune.profiler.fingerprint import DeviceFingerprint
from autoprune.profiler.fitting import KernelTimes
from autoprune.profiler.listening import OnProgress, silent
from autoprune.profiler.observing import Observed, observe_plan
from autoprune.profiler.prediction import TimedPlan
from autoprune.profiler.table import LatencyTable, NetworkFit, Row
from autoprune.profiler.timing import visit_networks
from autoprune.space import SearchSpace
from autoprune.spec import DeviceSpec


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
    are the machine's. Raises `BadInput` where the device has no such provider.
    """
    here = DeviceFingerprint.here(device)
    observed = observe_plan(networks, space, device, seed=seed, tell=on_progress)
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


def _fit(
    space: SearchSpace, observed: Observed, kernels: Mapping[Kernel, Measurement], whole_ms: FloatArray, name: str
) -> NetworkFit:
    plain = TimedPlan(space, observed.plan, KernelTimes(kernels), 1.0, 0.0)
    sums = np.array([plain.kernel_sum_ms(units_of(space, policy)) for policy in observed.policies])
    scale, constant_ms = fit_network(sums, whole_ms)
    return NetworkFit(
        name=name,
        scale=scale,
        constant_ms=constant_ms,
        networks=len(observed.policies),
        mape=float(np.mean(np.abs(constant_ms + scale * sums - whole_ms) / whole_ms)),
        unexplained=_unexplained(observed, kernels),
    )


def _unexplained(observed: Observed, kernels: Mapping[Kernel, Measurement]) -> float:
    """Share of the kernels' time that sites outside the plan take."""
    left_out = observed.plan.unexplained
    sites = [site for execution in observed.executions for site in execution.sites]
    outside = math.fsum(kernels[site.kernel].median for site in sites if (site.name, site.kernel.op) in left_out)
    return outside / math.fsum(kernels[site.kernel].median for site in sites)
