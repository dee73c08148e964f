"""Which widths are worth offering: cost falls in stairs, and only a stair's edge is a good bargain; free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from autoprune.cost import Tabled
from autoprune.errors import UnknownKernel
from autoprune.profiler.plan.blueprint import units_of
from autoprune.profiler.table.prediction import TimedPlan
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


def cheaper_widths(space: SearchSpace, cost: Tabled) -> SearchSpace:
    """`space` with only those widths of each group that cost less than every larger one, the other groups dense."""
    return space.with_widths([_cheaper(space, index, cost) for index in range(len(space))])


def _cheaper(space: SearchSpace, index: int, cost: Tabled) -> list[int]:
    widths = np.array(space.groups[index].widths)
    policies = np.tile(np.array(space.dense().widths), (len(widths), 1))
    policies[:, index] = widths
    costs = cost(policies)
    least_above = np.minimum.accumulate(np.append(costs[1:], np.inf)[::-1])[::-1]
    return [int(width) for width in widths[costs < least_above]]


@dataclass(frozen=True, slots=True)
class Step:
    """What one width of a channel group costs: all kernels that depend on the group, the other groups being dense.

    ms: sum of their times, and error_ms its standard error; infinite where the table knows no time.
    interpolated: share of `ms` from kernels without a row of their own. worth_offering: whether no
    larger width undercuts or matches it.
    """

    width: int
    ms: float
    error_ms: float
    interpolated: float
    worth_offering: bool


def pareto_widths(timed: TimedPlan) -> SearchSpace:
    """The plan's space, with only those widths of each group that no larger one undercuts or matches."""
    stairs = [stair(timed, index) for index in range(len(timed.space))]
    return timed.space.with_widths([[step.width for step in steps if step.worth_offering] for steps in stairs])


def stair(timed: TimedPlan, index: int) -> tuple[Step, ...]:
    """What each width of group `index` costs, the smallest first.

    A smaller width is worth offering only where it saves 2% of the last one that is, and more than
    the uncertainty of the two medians (twice the standard error).
    """
    group = timed.space.groups[index]
    steps = [_step(timed, index, group.width)]
    last = steps[0]
    for width in reversed(group.widths[:-1]):
        step = _step(timed, index, width)
        if step.ms < last.ms * (1 - _LEAST_SAVING) - 2 * math.hypot(step.error_ms, last.error_ms):
            last = step
        else:
            step = replace(step, worth_offering=False)
        steps.append(step)
    return tuple(reversed(steps))


def _step(timed: TimedPlan, index: int, width: int) -> Step:
    """The step of group `index` where it keeps `width` channels, taken to be worth offering."""
    units = units_of(timed.space, timed.space.dense())
    units[index] = width // timed.space.groups[index].unit
    try:
        times = [timed.site_time(site, units) for site in timed.plan.sites if index in site.groups()]
    except UnknownKernel:
        return Step(width, math.inf, 0.0, 0.0, True)
    found = [time for time in times if time is not None]
    ms = math.fsum(time.ms for time in found)
    between_rows = math.fsum(time.ms for time in found if time.source == "interpolated")
    error_ms = math.sqrt(math.fsum(time.error_ms**2 for time in found))
    return Step(width, ms, error_ms, between_rows / ms if ms else 0.0, True)
