"""Orders in which units go because others stand for them."""

from __future__ import annotations

import torch
from torch import Tensor


def one_of_each_pair(similarity: Tensor) -> Tensor:
    """Distance 1 - s at which each unit goes [units], when of the most similar pair left one goes, again and again.

    `similarity` [units, units] is symmetric and at most 1. Of a pair the one goes that is more like
    all the others; the last one left has the distance 1 of a unit like no other, or more.
    """
    units = len(similarity)
    alike = similarity.clone().fill_diagonal_(-torch.inf)
    crowded = similarity.sum(1)
    scores = torch.full((units,), max(1.0, 1 - float(similarity.min())), dtype=torch.float64)
    for _ in range(units - 1):
        first, second = divmod(int(alike.argmax()), units)
        gone = first if crowded[first] >= crowded[second] else second
        scores[gone] = 1 - alike[first, second]
        alike[gone], alike[:, gone] = -torch.inf, -torch.inf
    return scores


def positions_of(order: Tensor) -> Tensor:
    """Scores [units] of units that go in this `order`: the position of each."""
    scores = torch.empty(len(order), dtype=torch.float64)
    scores[order] = torch.arange(len(order), dtype=torch.float64)
    return scores
