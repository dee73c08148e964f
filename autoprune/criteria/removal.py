"""Removing units from a layer that takes over, as far as it can, what they carried.

Removing the inputs S of a linear layer with weights W and input second moments H, and refitting the rest, costs
tr(W_S^T (H^-1_SS)^-1 W_S): Optimal Brain Surgeon (Hassibi & Stork, NIPS 1992) for a group of weights at once, of the
squared error of the layer's output. For one weight w_q it is their w_q^2 / [H^-1]_qq, but for a factor of a half.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autoprune.criteria.evidence import Consumer

# Large groups lose this share of their remaining units in one step, the least costly ones together.
_STEP_SHARE = 1 / 64


def at_a_step(left: int) -> int:
    """How many units go at once when so many are left."""
    return max(1, int(left * _STEP_SHARE))


class Removal:
    """One consumer while units go: the inverse moments and refitted weights of what is left.

    What is gone stays where it was, and is zero; once it is half of all, the rest moves together.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._energy = consumer.energy
        self._inverse = torch.linalg.inv(consumer.moments)
        self._weight = consumer.weight.clone()
        self._rows = consumer.rows  # where the features of each unit are now
        self._left = torch.ones(len(self._weight), dtype=torch.bool)

    def costs(self, units: Tensor) -> Tensor:
        """Relative damage [units] of removing each unit alone: the share of the output's energy that is lost."""
        rows = self._rows[units]
        blocks = self._inverse[rows[:, :, None], rows[:, None, :]]
        weights = self._weight[rows]
        damage: Tensor = (weights * torch.linalg.solve(blocks, weights)).sum((1, 2)) / self._energy
        return damage

    def remove(self, units: Tensor) -> None:
        """Remove `units`: refit the weights of what is left and downdate the inverse (block Schur complement)."""
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
