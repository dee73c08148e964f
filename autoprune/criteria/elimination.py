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
    left = torch.arange(len(consumers[0].rows))
    order: list[int] = []
    costs: list[float] = []
    while len(left):
        cost = torch.stack([s.costs(left) for s in states]).sum(0)
        n = max(1, int(len(left) * _STEP_SHARE))
        cheapest = torch.argsort(cost, stable=True)[:n]
        gone = left[cheapest]
        order.extend(gone.tolist())
        costs.extend(cost[cheapest].clamp_min(0).tolist())
        left = left[~torch.isin(left, gone)]
        if len(left):
            for state in states:
                state.remove(gone)
    return Ranking(np.array(order, dtype=np.int64), np.concatenate([[0.0], np.cumsum(costs)]))


class _State:
    """One consumer during elimination: the inverse moments and refitted weights of what is left.

    What is gone stays where it was, and is zero; once it is half of all, the rest moves together.
    """

    def __init__(self, consumer: Consumer) -> None:
        w = consumer.weight
        self._energy = float((w * (consumer.moments @ w)).sum()) or 1.0
        self._inverse = torch.linalg.inv(consumer.moments)
        self._weight = w.clone()
        self._rows = consumer.rows  # where the features of each unit are now
        self._left = torch.ones(len(w), dtype=torch.bool)

    def costs(self, units: Tensor) -> Tensor:
        """Relative damage [units] of removing each unit alone."""
        rows = self._rows[units]
        blocks = self._inverse[rows[:, :, None], rows[:, None, :]]
        weights = self._weight[rows]
        damage: Tensor = (weights * torch.linalg.solve(blocks, weights)).sum((1, 2)) / self._energy
        return damage

    def remove(self, units: Tensor) -> None:
        """Eliminate `units`: refit the weights of what is left and downdate the inverse (block Schur complement)."""
        gone = self._rows[units].reshape(-1)
        pivot = self._inverse[gone]
        gain = torch.linalg.solve(pivot[:, gone], pivot).T  # [F, |gone|]
        self._weight.addmm_(gain, self._weight[gone], alpha=-1)
        self._inverse.addmm_(gain, pivot, alpha=-1)
        self._left[gone] = False
        if 2 * int(self._left.sum()) <= len(self._left):
            self._move_together()

    def _move_together(self) -> None:
        stay = self._left.nonzero().flatten()
        self._weight, self._inverse = self._weight[stay], self._inverse[stay][:, stay]
        self._rows = (self._left.cumsum(0) - 1)[self._rows]
        self._left = self._left[stay]
