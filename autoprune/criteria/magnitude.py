"""Weight magnitude: the criterion for groups whose consumers leave no statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autoprune.criteria.ranking import Ranking


def rank_by_norm(slices: Sequence[tuple[Tensor, NDArray[np.int64]]]) -> Ranking:
    """Rank the units in ascending order of their weights' L2 norm (Li et al., ICLR 2017, with L2 for L1).

    `slices` holds, per weight, its norm along one axis [size] squared and the unit of each position (-1: none).
    """
    units = 1 + max(int(unit.max()) for _, unit in slices)
    total = torch.zeros(units, dtype=torch.float64)
    for squared, unit in slices:
        own = unit >= 0
        share = squared[torch.from_numpy(own)].double() / squared.sum().clamp_min(1e-30)
        total.index_add_(0, torch.from_numpy(unit[own]), share)
    order = torch.argsort(total, stable=True)
    return Ranking(order.numpy(), np.concatenate([[0.0], np.cumsum(total[order].numpy())]))
