"""What a handful of paired numbers can tell: permutation test, Holm's correction, bootstrap interval; numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEVEL = 0.05
_MOST_EXACT = 16  # pairs up to which every assignment of signs is looked at: 65,536 of them
_DRAWS = 100_000  # of signs, beyond that
_RESAMPLES = 20_000
_TOLERANCE = 1e-12  # of the observed mean: sums of the same numbers in another order are equal


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The mean of paired differences, its 95% interval (None for a single pair), and the p-value of no difference.

    `wins` counts the pairs whose difference is positive, of `pairs` in all.
    """

    mean: float
    interval: tuple[float, float] | None
    p: float
    wins: int
    pairs: int

    @classmethod
    def of(cls, differences: Sequence[float] | FloatArray) -> Self:
        """Of `differences` [n], which are independent of one another."""
        values = np.asarray(differences, dtype=np.float64)
        return cls(
            mean=float(values.mean()),
            interval=mean_interval(values),
            p=sign_flip_p(values),
            wins=int((values > 0).sum()),
            pairs=len(values),
        )


def sign_flip_p(differences: Sequence[float] | FloatArray) -> float:
    """Two-sided p-value of `differences` [n] being as likely negative as positive (Fisher's randomisation test).

    Fisher, The Design of Experiments (1935): the share of the 2^n assignments of signs
    whose mean is at least as far from 0 as the observed one. Beyond 16 pairs, of 100,000 drawn
    assignments and the observed one.
    """
    values = np.asarray(differences, dtype=np.float64)
    observed = abs(values.sum()) * (1 - _TOLERANCE)
    if len(values) > _MOST_EXACT:
        signs = np.random.default_rng(0).integers(0, 2, (_DRAWS, len(values))) * 2 - 1
        return (1 + int((np.abs(signs @ values) >= observed).sum())) / (_DRAWS + 1)
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return float((np.abs(sums) >= observed).mean())


def smallest_p(pairs: int) -> float:
    """The least p-value that `sign_flip_p` can give for so many pairs: all of one sign."""
    return min(1.0, 2.0 ** (1 - pairs))


def pairs_needed(comparisons: int) -> int:
    """The least number of pairs with which the clearest of so many comparisons can be significant after Holm."""
    return 1 + math.ceil(math.log2(max(1, comparisons) / LEVEL))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several: reject where it is at most 0.05, and the chance of any error is too.

    Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statistics 6 (1979).
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, least = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = least
    return corrected


def mean_interval(values: Sequence[float] | FloatArray) -> tuple[float, float] | None:
    """95% interval of the mean of `values` [n] by the bootstrap; None for fewer than two.

    The expanded percentile interval of Hesterberg (What Teachers Should Know About the Bootstrap,
    2015, arXiv:1411.5279): of few values the plain percentiles lie too close together, so wider
    ones are taken, by as much as Student's t is wider than the normal distribution.
    """
    sample = np.asarray(values, dtype=np.float64)
    n = len(sample)
    if n < 2:
        return None
    tail = NormalDist().cdf(-math.sqrt(n / (n - 1)) * student_t_quantile(1 - LEVEL / 2, n - 1))
    picks = np.random.default_rng(0).integers(0, n, (_RESAMPLES, n))
    low, high = np.quantile(sample[picks].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def student_t_quantile(probability: float, freedom: int) -> float:
    """The value that Student's t with `freedom` degrees stays below with `probability`, in [0.5, 1)."""
    low, high = 0.0, 1.0
    while _student_t_within(high, freedom) < 2 * probability - 1:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_t_within(middle, freedom) < 2 * probability - 1 else (low, middle)
    return (low + high) / 2


def _student_t_within(t: float, freedom: int) -> float:
    """P(|T| <= t); Abramowitz and Stegun (1964), 26.7.3 and 26.7.4."""
    angle, odd = math.atan(t / math.sqrt(freedom)), freedom % 2
    sine, cosine = math.sin(angle), math.cos(angle)
    term, total = (cosine if odd else 1.0), 0.0
    for k in range(1 + odd, freedom + odd, 2):
        total += term
        term *= cosine**2 * k / (k + 1)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
