"""From kernels to whole networks: what the runtime's profiler adds to the first, and how they add up; free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autoprune.cost import FloatArray, Measurement
from autoprune.profiler.least_squares import robust
from autoprune.profiler.timing.visits import Visit

# Whole-network times are taken to be good to 1%; of parameters that networks do not tell apart, how far
# they may lie from the plain sum of kernels: scale and crowding by 10%, what does not grow by 2% of a network.
_NOISE = 0.01
_SCALE, _CROWDING, _CONSTANT = 0.1, 0.1, 0.02
_OVERHEAD_MS = 0.3e-3


@dataclass(frozen=True, slots=True)
class Composition:
    """A network whose kernels take s ms takes constant_ms + s (scale + crowding ln(s / dense_ms)).

    A kernel is slower in a large network than in a small one, whose weights and activations are
    still in the cache when they are needed: hence the crowding. `dense_ms` is the sum of the dense
    network's kernels, at which there is no more to add.
    """

    scale: float
    crowding: float
    constant_ms: float
    dense_ms: float

    def __call__(self, sums_ms: FloatArray) -> FloatArray:
        """Times of networks [n] from the sums of their kernels' times [n], both in ms."""
        return self.constant_ms + sums_ms * (self.scale + self.crowding * np.log(sums_ms / self.dense_ms))


def fit_composition(sums_ms: FloatArray, whole_ms: FloatArray, dense_ms: float) -> Composition:
    """The composition that explains whole-network times [n] by sums of kernels' times [n].

    The sums must not hold times that only the same network gave, for those know how crowded it is.
    """
    typical = float(np.median(whole_ms))
    features = np.stack([sums_ms, sums_ms * np.log(sums_ms / dense_ms), np.full(len(sums_ms), typical)], axis=1)
    prior, deviation = np.array([1.0, 0.0, 0.0]), np.array([_SCALE, _CROWDING, _CONSTANT])
    scale, crowding, constant = robust(features / whole_ms[:, None], prior, deviation, noise=_NOISE)
    return Composition(float(scale), float(crowding), float(constant) * typical, dense_ms)


def profiler_overhead_ms(visits: Sequence[Visit], speed: FloatArray, measured_ms: float) -> float:
    """What the runtime's profiler adds to the time it states for a kernel, in ms (a microsecond or two).

    `measured_ms` was found on other kernels, and holds to a third of a microsecond or so. It is
    corrected in place: a whole network's time without the profiler is explained by the sum of its
    kernels' times and by their number, which differs between networks as reorders come and go.
    """
    whole = np.array([visit.network_ms for visit in visits]) / speed
    sums = np.array([sum(us * v.sites[k] for k, us in v.kernel_us.items()) for v in visits]) * 1e-3 / speed
    count = np.array([sum(visit.sites.values()) for visit in visits], dtype=np.float64)
    typical = float(np.median(whole))
    unit = typical / float(np.median(count))  # so that all unknowns are of one size
    features = np.stack([sums, -unit * count, np.full(len(whole), typical)], axis=1) / whole[:, None]
    prior, deviation = np.array([1.0, measured_ms / unit, 0.0]), np.array([_SCALE, _OVERHEAD_MS / unit, _CONSTANT])
    scale, overhead, _ = robust(features, prior, deviation, noise=_NOISE)
    most = float(np.min(sums / count))
    return min(max(0.0, float(overhead / scale) * unit), most)


def without_overhead(time: Measurement, overhead_ms: float) -> Measurement:
    """A kernel's time less the profiler's own share, of which at most nine tenths of the time are believed."""
    return replace(time, median=max(time.median - overhead_ms, 0.1 * time.median))


def network_ms(visits: Sequence[Visit], speed: FloatArray, count: int) -> FloatArray:
    """Whole-network times in ms [count] at the speed of the median visit."""
    times: list[list[float]] = [[] for _ in range(count)]
    for visit, factor in zip(visits, speed, strict=True):
        times[visit.network].append(visit.network_ms / factor)
    return np.array([np.median(one) for one in times])
