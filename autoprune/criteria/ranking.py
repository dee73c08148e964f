"""What a criterion says of a group: which unit goes next, and what all that went are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """`order` int [units], least missed first; `damage` [units + 1] once the first k of them are gone.

    Damage is 0 while all are there and never falls. Of elimination it is the share of their output's
    energy that the layers reading the group lose (added over layers), of magnitude the share of the
    weights' norm that is gone.
    """

    order: NDArray[np.int64]
    damage: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.damage.shape != (len(self.order) + 1,) or self.damage[0] != 0 or (np.diff(self.damage) < 0).any():
            raise ValueError("damage is 0 for no unit removed, and never falls")
