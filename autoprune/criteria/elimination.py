"""Backward elimination: which channels a layer misses least, judged by what a least-squares refit cannot repair.

Removing the inputs S of a linear layer with weights W and input second moments H, and refitting
the rest, costs tr(W_S^T (H^-1_SS)^-1 W_S): Optimal Brain Surgeon (Hassibi & Stork, NIPS 1992, eq. 5)
for a group of weights at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autoprune.criteria.ranking import Ranking

# Large groups lose this share of their remaining units in one step, the least costly ones together.
_STEP_SHARE = 1 / 64


@dataclass(frozen=True, slots=True)
class Consumer:
    """A layer that reads the group's channels: y = x W.

    `moments` [F, F] second moments of its inputs (damped, positive definite), `weight` [F, O],
    `rows` [units, b] the input features of each unit of the group.
    """

    moments: Tensor
    weight: Tensor
    rows: Tensor


def eliminate(consumers: Sequence[Consumer]) -> Ranking:
    """Rank the units in the order in which they are eliminated, with the damage added up on the way.

    Costs of several consumers are added, each as a share of its output's energy tr(W^T H W).
    """
    states = [_State(c) for c in consumers]
    units = len(consumers[0].rows)
    left = np.arange(units)
    order: list[int] = []
    costs: list[float] = []
    while len(left):
        cost = torch.stack([s.costs(left) for s in states]).sum(0)
        n = max(1, int(len(left) * _STEP_SHARE))
        cheapest = torch.argsort(cost, stable=True)[:n]
        gone = left[cheapest.numpy()]
        order.extend(gone.tolist())
        costs.extend(cost[cheapest].clamp_min(0).tolist())
        left = np.delete(left, cheapest.numpy())
        if len(left):
            for state in states:
                state.remove(gone)
    return Ranking(np.array(order, dtype=np.int64), np.concatenate([[0.0], np.cumsum(costs)]))


class _State:
    """One consumer during elimination: the inverse moments and refitted weights of what is left."""

    def __init__(self, consumer: Consumer) -> None:
        w = consumer.weight
        self._energy = float((w * (consumer.moments @ w)).sum()) or 1.0
        self._inverse = torch.linalg.inv(consumer.moments)
        self._weight = w.clone()
        self._features = np.arange(len(w))  # original number of each remaining feature
        self._rows = consumer.rows.numpy()

    def _local(self, units: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.searchsorted(self._features, self._rows[units]))

    def costs(self, units: NDArray[np.int64]) -> Tensor:
        """Relative damage [units] of removing each unit alone."""
        rows = self._local(units)
        blocks = self._inverse[rows[:, :, None], rows[:, None, :]]
        weights = self._weight[rows]
        damage: Tensor = (weights * torch.linalg.solve(blocks, weights)).sum((1, 2)) / self._energy
        return damage

    def remove(self, units: NDArray[np.int64]) -> None:
        """Eliminate `units`: refit the weights of what is left and downdate the inverse (block Schur complement)."""
        gone = self._local(units).reshape(-1)
        gain = torch.linalg.solve(self._inverse[gone][:, gone], self._inverse[gone]).T  # [F, |S|]
        weight = self._weight - gain @ self._weight[gone]
        inverse = self._inverse - gain @ self._inverse[gone]
        stay = np.setdiff1d(np.arange(len(self._features)), gone.numpy())
        index = torch.from_numpy(stay)
        self._weight, self._inverse = weight[index], inverse[index][:, index]
        self._features = self._features[stay]
