"""What becomes of a criterion's scores: which unit goes next, and what all that went are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autoprune.criteria.evidence import Evidence
from autoprune.criteria.removal import Removal, at_a_step


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """`order` int [units], least missed first; `damage` [units + 1] once the first k of them are gone.

    Damage is 0 while all are there and never falls. It is the share of their output's energy that
    the layers reading the group lose though they are refitted (added over layers); where none can
    be refitted, the share of the weights' norm that is gone. It does not depend on the criterion
    but through the order, so that the orders of several can be compared.
    """

    order: NDArray[np.int64]
    damage: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.damage.shape != (len(self.order) + 1,) or self.damage[0] != 0 or (np.diff(self.damage) < 0).any():
            raise ValueError("damage is 0 for no unit removed, and never falls")

    @classmethod
    def of(cls, scores: Tensor, evidence: Evidence) -> Ranking:
        """The ranking by `scores` [units], lowest first, equals by number."""
        order = torch.argsort(scores, stable=True)
        return cls(order.numpy(), added_up(_costs(order, evidence)))


def added_up(costs: Tensor) -> NDArray[np.float64]:
    """From what each unit costs when it goes, in order, to the damage."""
    return np.concatenate([[0.0], np.cumsum(costs.clamp_min(0).numpy())])


def _costs(order: Tensor, evidence: Evidence) -> Tensor:
    """What each unit costs [units] when all go in this order."""
    if not evidence.consumers:
        return evidence.norm_shares[order]
    removals = [Removal(consumer) for consumer in evidence.consumers]
    costs: list[Tensor] = []
    left = order
    while len(left):
        going, left = left[: at_a_step(len(left))], left[at_a_step(len(left)) :]
        costs.append(torch.stack([removal.costs(going) for removal in removals]).sum(0))
        for removal in removals if len(left) else []:
            removal.remove(going)
    return torch.cat(costs)
