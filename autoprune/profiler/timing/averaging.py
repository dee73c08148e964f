"""From visits to rows: what each kernel takes once the machine's own changes of speed are taken out; free of torch."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoprune.cost import FloatArray, Kernel, Measurement
from autoprune.profiler.timing.visits import Visit

_SWEEPS = 6
_FEWEST_FOR_TREND = 8
_SETTLED = 0.01
_IMMATERIAL = 0.0005
# Of a median of n normal values, times sqrt(n), per half interquartile range: sqrt(pi / 2) / 0.6745.
_STANDARD_ERROR = 1.858
_NARROW = 0.1  # of the logarithms of sizes: all within 10%


@dataclass(frozen=True)
class Rows:
    """What a session found: a time in ms a kernel (`runs` are visits), and how the machine's speed changed meanwhile.

    `speed` is one factor a visit, median 1: times in that visit were as many times longer.
    """

    kernels: Mapping[Kernel, Measurement]
    speed: FloatArray

    @property
    def drift(self) -> float:
        """Half the interquartile range of the speed factors, as a fraction."""
        return summary(self.speed, len(self.speed)).spread


def summary(values: ArrayLike, runs: int) -> Measurement:
    """Median and spread (half the interquartile range) of `values`, which stand for `runs` runs."""
    low, median, high = np.percentile(np.asarray(values, dtype=np.float64), [25, 50, 75])
    return Measurement(float(median), float(high - low) / 2, runs)


def average(visits: Sequence[Visit]) -> Rows:
    """Rows from `visits`: medians over the visits, after each visit's times are divided by its speed factor.

    Other programs and the processor's clock slow a whole visit, so its kernels' times are modelled
    as (kernel) x (visit) and both factors found in turn, the first as medians, the second as ratios
    of sums (after Tukey's median polish, 1977). The level is that of the median visit. What is
    proper to a network in every round (its caches) is left in its times.
    """
    kernels = list(dict.fromkeys(kernel for visit in visits for kernel in visit.kernel_us))
    column = {kernel: i for i, kernel in enumerate(kernels)}
    times = np.full((len(visits), len(kernels)), np.nan)
    sites = np.zeros_like(times)
    for row, visit in enumerate(visits):
        for kernel, time_us in visit.kernel_us.items():
            times[row, column[kernel]] = time_us
            sites[row, column[kernel]] = visit.sites[kernel]
    speed = np.ones(len(visits))
    for _ in range(_SWEEPS):
        typical = np.nanmedian(times / speed[:, None], axis=0)
        speed = np.nansum(times * sites, axis=1) / (sites @ typical)
        speed /= np.median(speed)
    speed = _machine_only(speed, np.array([visit.network for visit in visits]), sites @ typical)
    level_ms = times / speed[:, None] * 1e-3
    seen = ~np.isnan(times)
    rows = {k: summary(level_ms[seen[:, i], i], int(seen[:, i].sum())) for k, i in column.items()}
    return Rows(rows, speed)


def settled(visits: Sequence[Visit]) -> tuple[int, int]:
    """Of how many kernels, how many are known well enough: (settled, all).

    A kernel is settled when the standard error of its median is below 1% of it, or so small that it
    does not matter in the fastest network.
    """
    times = average(visits).kernels.values()
    fastest = min(visit.network_ms for visit in visits)
    errors = [(standard_error(time), time.median) for time in times]
    well = sum(error <= max(_SETTLED * median, _IMMATERIAL * fastest) for error, median in errors)
    return well, len(errors)


def standard_error(time: Measurement) -> float:
    """Standard error of a median over `time.runs` values that are about normal, in the unit of `time`."""
    return _STANDARD_ERROR * time.spread / math.sqrt(time.runs)


def _machine_only(speed: FloatArray, network: NDArray[np.int64], size: FloatArray) -> FloatArray:
    """Speed factors [visits] without the part that belongs to the visited `network` and not to the machine.

    A network's own part is what follows from its `size` (all networks tell of it, visited in random
    order), and of its mean over the rounds beyond that, as much as is not chance (empirical Bayes
    for a random effect: between-network variance over the whole variance of a mean).
    """
    logs = np.log(speed)
    names, first, place = np.unique(network, return_index=True, return_inverse=True)
    rounds = np.bincount(place)
    means = np.bincount(place, weights=logs) / rounds
    freedom = len(logs) - len(names)
    if freedom < 1 or len(names) < 2:
        return speed
    expected = _trend(np.log(size[first]), means)
    beyond = means - expected
    chance = float(((logs - means[place]) ** 2).sum()) / freedom / rounds
    between = max(0.0, float(np.var(beyond, ddof=1) - chance.mean()))
    own = expected + beyond * between / np.maximum(between + chance, 1e-12)
    cleaned = np.exp(logs - own[place])
    return np.asarray(cleaned / np.median(cleaned))


def _trend(x: FloatArray, y: FloatArray) -> FloatArray:
    """The straight line through `y` over `x` [n], at every x; level where there are few points or one x."""
    if len(x) < _FEWEST_FOR_TREND or np.ptp(x) < _NARROW:
        return np.full(len(x), float(np.mean(y)))
    slope, level = np.polyfit(x, y, 1)
    return np.asarray(slope * x + level)


def times_without(visits: Sequence[Visit], speed: FloatArray, networks: Container[int]) -> dict[Kernel, Measurement]:
    """Rows as those of `average`, of the visits to other networks than `networks`; `speed` is one factor a visit."""
    times: dict[Kernel, list[float]] = {}
    for visit, factor in zip(visits, speed, strict=True):
        if visit.network not in networks:
            for kernel, time_us in visit.kernel_us.items():
                times.setdefault(kernel, []).append(time_us / factor * 1e-3)
    return {kernel: summary(one, len(one)) for kernel, one in times.items()}
