"""Which widths are worth offering: cost falls in stairs, and only a stair's edge is a good bargain; free of torch."""

from __future__ import annotations

import math

from autoprune.errors import UnknownKernel
from autoprune.profiler.family import units_of
from autoprune.profiler.prediction import TimedPlan
from autoprune.space import ChannelGroup, SearchSpace

_MOST_WIDTHS = 32
_STEPS = ((8, 1), (64, 4), (128, 8), (512, 16))  # (up to this width, in steps of)
_COARSEST = 32

# A cut that saves less than this share of what the group's kernels cost is no cut.
_LEAST_SAVING = 0.02


def candidate_widths(group: ChannelGroup) -> tuple[int, ...]:
    """The widths of `group` to profile: multiples of a step that grows with its width, and the dense width.

    Steps are multiples of 4 (of the group's unit, where that is larger): below, every runtime
    measured so far is slower than at the next multiple. At most 32 widths.
    """
    step = next((step for most, step in _STEPS if group.width <= most), _COARSEST)
    step = math.lcm(step, group.unit)
    while group.width // step > _MOST_WIDTHS:
        step *= 2
    return tuple(sorted({*range(step, group.width, step), group.width}))


def pareto_widths(timed: TimedPlan) -> SearchSpace:
    """The plan's space, with only those widths of each group that no larger one undercuts or matches.

    A width's cost is that of all kernels that depend on its group, the other groups being dense. A
    smaller width stays only where it saves 2% of the last one kept, and more than the uncertainty
    of the two medians (twice the standard error).
    """
    widths = [_worth_offering(timed, index) for index in range(len(timed.space))]
    return timed.space.with_widths(widths)


def _worth_offering(timed: TimedPlan, index: int) -> tuple[int, ...]:
    group = timed.space.groups[index]
    kept = [group.width]
    last, last_error = _group_cost(timed, index, group.width)
    for width in reversed(group.widths[:-1]):
        cost, error = _group_cost(timed, index, width)
        if cost < last * (1 - _LEAST_SAVING) - 2 * math.hypot(error, last_error):
            kept.append(width)
            last, last_error = cost, error
    return tuple(reversed(kept))


def _group_cost(timed: TimedPlan, index: int, width: int) -> tuple[float, float]:
    """Time in ms of the kernels that depend on group `index` when it keeps `width` channels, and its standard error.

    Infinite where the table knows no time: such a width cannot be offered.
    """
    units = units_of(timed.space, timed.space.dense())
    units[index] = width // timed.space.groups[index].unit
    try:
        times = [timed.site_time(site, units) for site in timed.plan.sites if index in site.groups()]
    except UnknownKernel:
        return math.inf, 0.0
    found = [time for time in times if time is not None]
    return math.fsum(time.ms for time in found), math.sqrt(math.fsum(time.error_ms**2 for time in found))
