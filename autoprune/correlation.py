"""Whether two lists of numbers put things in the same order; numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def rank_correlation(first: Sequence[float] | FloatArray, second: Sequence[float] | FloatArray) -> float:
    """Spearman's rank correlation of two lists [n], equal values sharing the mean of their ranks (Spearman, 1904).

    0 where one of the two is constant and it is not defined.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return 0.0
    return float(np.clip(np.corrcoef(_ranks(one), _ranks(two))[0, 1], -1.0, 1.0))


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from 0, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[inverse])
