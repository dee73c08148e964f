"""What cutting each group really costs: a belief over factors on its foreseen damage, learned from trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoprune.cost import FloatArray

_NOISE = 0.1  # what additive damages cannot explain, as a share of the rewards' spread
_FAR = 0.1  # weight of the worse half of the trials: what counts is what cuts cost near the best
_LEAST_NEAR = 8
_LEAST_FACTOR = 0.05  # no cut is free


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """A normal belief over the factor of each group [groups]: 1 where the foreseen damage is right.

    Bayesian linear regression of the rewards on the groups' damages (Bishop, Pattern Recognition and
    Machine Learning, 2006, section 3.3), reward = a - s (f . damages) + noise, from the prior that
    every factor f is 1 give or take `doubt`. What a unit of damage costs on average, s, is that of the
    sums, or at least a third of what the rewards' spread allows.
    """

    mean: FloatArray
    covariance: FloatArray

    @classmethod
    def of(cls, damages: FloatArray, rewards: FloatArray, doubt: float) -> Belief:
        """The belief after trials of these `damages` [n, groups] and finite `rewards` [n], n >= 0."""
        n, groups = damages.shape
        if n < 2 or np.ptp(rewards) == 0:
            return cls(np.ones(groups), doubt**2 * np.eye(groups))
        near = (-rewards).argsort(kind="stable").argsort() < max(_LEAST_NEAR, n // 2)
        weights = np.where(near, 1.0, _FAR)
        centred, losses = damages - np.average(damages, axis=0, weights=weights), -rewards
        losses = losses - np.average(losses, weights=weights)
        scale = _slope(centred.sum(axis=1), losses, weights)
        features = doubt * scale * centred
        unexplained = losses - scale * centred.sum(axis=1)
        precision = weights / (_NOISE * losses[near].std() + 1e-9) ** 2
        covariance = np.linalg.inv((features.T * precision) @ features + np.eye(groups))
        mean = covariance @ (features.T @ (precision * unexplained))
        return cls(1 + doubt * mean, doubt**2 * covariance)

    def draw(self, generator: np.random.Generator, widened: float = 1.0) -> FloatArray:
        """Positive factors [groups] drawn from the belief, its standard deviations times `widened`."""
        drawn = generator.multivariate_normal(self.mean, widened**2 * self.covariance, method="cholesky")
        return np.maximum(drawn, _LEAST_FACTOR)


def _slope(sums: FloatArray, losses: FloatArray, weights: FloatArray) -> float:
    """Loss per unit of total damage, from centred `sums` and `losses` [n]."""
    spread = float(sums.std())
    if spread == 0:
        return 0.0
    return max(float((weights * sums) @ losses / ((weights * sums) @ sums)), 0.3 * float(losses.std()) / spread)
