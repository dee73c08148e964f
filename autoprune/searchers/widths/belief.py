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
    sums over groups.
    """

    mean: FloatArray
    precision: FloatArray  # inverse covariance [groups, groups]

    @classmethod
    def of(cls, damages: FloatArray, rewards: FloatArray, doubt: float) -> Belief:
        """The belief after trials of these `damages` [n, groups] and finite `rewards` [n], n >= 0."""
        n, groups = damages.shape
        if n < 2 or np.ptp(rewards) == 0:
            return cls(np.ones(groups), np.eye(groups) / doubt**2)
        near = (-rewards).argsort(kind="stable").argsort() < max(_LEAST_NEAR, n // 2)
        weights = np.where(near, 1.0, _FAR)
        centred = damages - np.average(damages, axis=0, weights=weights)
        losses = (rewards.max() - rewards) / np.ptp(rewards)  # whatever a reward's unit
        losses -= np.average(losses, weights=weights)
        scale = _slope(centred, losses, weights)
        unexplained = losses - scale * centred.sum(axis=1)
        noise = _NOISE * max(losses[near].std(), _FAR * losses.std())
        features = scale * centred.T * (weights / noise**2)
        precision = features @ (scale * centred) + np.eye(groups) / doubt**2
        return cls(1 + np.linalg.solve(precision, features @ unexplained), precision)

    def draw(self, generator: np.random.Generator, widened: float = 1.0) -> FloatArray:
        """Positive factors [groups] drawn from the belief, its standard deviations times `widened`."""
        root = np.linalg.cholesky(self.precision)
        drawn = self.mean + widened * np.linalg.solve(root.T, generator.standard_normal(len(self.mean)))
        return np.maximum(drawn, _LEAST_FACTOR)


def _slope(damages: FloatArray, losses: FloatArray, weights: FloatArray) -> float:
    """Loss per unit of total damage, from centred `damages` [n, groups] and `losses` [n].

    Within a factor of ten or three of what their spreads allow, since trials at one budget may differ in
    which groups are damaged, and hardly in how much.
    """
    spread = float(np.sqrt(damages.var(axis=0).sum()))
    if spread == 0:
        return 0.0
    sums, allowed = damages.sum(axis=1), float(losses.std()) / spread
    power = float((weights * sums) @ sums)
    return float(np.clip((weights * sums) @ losses / power if power > 0 else 0.0, 0.1 * allowed, 3 * allowed))
