"""Two least-squares fits that the profiler needs on devices that have numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import FloatArray

_SWEEPS = 100
_ENOUGH = 1e-12


def nonnegative(features: FloatArray, target: FloatArray) -> FloatArray:
    """Weights w >= 0 [k] with the least |features w - target|, features [n, k].

    The active-set method of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23:
    NNLS), on the normal equations.
    """
    gram, moment = features.T @ features, features.T @ target
    weights = np.zeros(features.shape[1])
    free = np.zeros(features.shape[1], dtype=bool)
    tolerance = _ENOUGH * max(1.0, float(np.abs(moment).max(initial=0.0)))
    for _ in range(3 * features.shape[1]):
        gradient = np.where(free, -np.inf, moment - gram @ weights)
        if free.all() or gradient.max() <= tolerance:
            break
        free[int(gradient.argmax())] = True
        weights, free = _step_inside(gram, moment, weights, free)
    return weights


def _step_inside(
    gram: FloatArray, moment: FloatArray, weights: FloatArray, free: NDArray[np.bool_]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Move to the least squares of the free weights; those that would become negative are fixed at 0 on the way."""
    while True:
        wanted = np.zeros_like(weights)
        wanted[free] = np.linalg.lstsq(gram[np.ix_(free, free)], moment[free], rcond=None)[0]
        below = free & (wanted <= 0)
        if not below.any():
            return wanted, free
        steps = weights[below] / np.maximum(weights[below] - wanted[below], np.finfo(float).tiny)
        weights = weights + steps.min() * (wanted - weights)
        free = free & (weights > _ENOUGH * weights.max())
        weights = np.where(free, weights, 0.0)


def robust(features: FloatArray, prior: FloatArray, deviation: FloatArray, *, noise: float) -> FloatArray:
    """Weights [k] for which features [n, k] x weights is 1 as nearly as can be; outliers count less.

    Errors are taken to be `noise`; beyond twice that they count linearly (soft L1, by iteratively
    reweighted least squares: Holland and Welsch, 1977). A weight that the features do not tell
    stays near its `prior` [k], which is believed to `deviation` [k].
    """
    precision = np.diag(1 / deviation**2)
    weights = np.asarray(prior, dtype=np.float64)
    for _ in range(_SWEEPS):
        errors = features @ weights - 1
        trust = 1 / np.sqrt(1 + (errors / (2 * noise)) ** 2) / noise**2
        gram = (features * trust[:, None]).T @ features + precision
        found = np.asarray(np.linalg.solve(gram, features.T @ trust + precision @ prior), dtype=np.float64)
        if np.abs(found - weights).max() <= _ENOUGH * np.abs(found).max():
            return found
        weights = found
    return weights
