"""From visits to rows: what each kernel takes once the machine's own changes of speed are taken out; free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from autoprune.cost import FloatArray, Kernel, Measurement
from autoprune.profiler.timing import Visit

_SWEEPS = 6
_FEWEST_FOR_TREND = 8
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


def profiler_overhead_ms(visits: Sequence[Visit], speed: FloatArray) -> float:
    """What the runtime's profiler adds to the time it states for a kernel, in ms (a microsecond or two).

    Found in place: a whole network's time without the profiler is explained by the sum of its
    kernels' times and by their number, which differs between networks as reorders come and go.
    """
    whole = np.array([visit.network_ms for visit in visits]) / speed
    sums = np.array([sum(us * v.sites[k] for k, us in v.kernel_us.items()) for v in visits]) * 1e-3 / speed
    count = np.array([sum(visit.sites.values()) for visit in visits], dtype=np.float64)
    typical = float(np.median(whole))
    unit = typical / float(np.median(count))  # so that all unknowns are of one size

    def errors(x: FloatArray) -> FloatArray:
        off = (x[0] * (sums - x[1] * unit * count) + x[2] * typical - whole) / whole
        return np.concatenate([off, _prior(x[0] - 1, 0.1), _prior(x[2], 0.02)])

    most = float(np.min(sums / count)) / unit
    found = least_squares(errors, [1.0, most / 2, 0.0], bounds=([0.5, 0, -1], [2, most, 1]), **_ROBUST)
    return float(found.x[1]) * unit


def without_overhead(time: Measurement, overhead_ms: float) -> Measurement:
    """A kernel's time less the profiler's own share, of which at most nine tenths of the time are believed."""
    return replace(time, median=max(time.median - overhead_ms, 0.1 * time.median))


def fit_network(kernel_sums_ms: FloatArray, whole_ms: FloatArray) -> tuple[float, float]:
    """(scale, constant_ms) such that a network takes constant_ms + scale x the sum of its kernels' times.

    From one sum and one whole-network time [n] per network; a robust least squares of relative
    errors, held near scale 1 and constant 0 where the sums hardly differ.
    """
    typical = float(np.median(whole_ms))

    def errors(x: FloatArray) -> FloatArray:
        off = (x[0] * kernel_sums_ms + x[1] * typical - whole_ms) / whole_ms
        return np.concatenate([off, _prior(x[0] - 1, 0.1), _prior(x[1], 0.1)])

    found = least_squares(errors, [1.0, 0.0], **_ROBUST)
    return float(found.x[0]), float(found.x[1]) * typical


# Errors beyond 2% count as outliers (soft L1); measurements are taken to be good to 1%.
_ROBUST: Final = {"loss": "soft_l1", "f_scale": 0.02}


def _prior(value: float, deviation: float) -> FloatArray:
    return np.array([0.01 * value / deviation])


def network_ms(visits: Sequence[Visit], speed: FloatArray, count: int) -> FloatArray:
    """Whole-network times in ms [count] at the speed of the median visit."""
    times: list[list[float]] = [[] for _ in range(count)]
    for visit, factor in zip(visits, speed, strict=True):
        times[visit.network].append(visit.network_ms / factor)
    return np.array([np.median(one) for one in times])
