from __future__ import annotations

import numpy as np
from toy import DEEP, ONE_GROUP

from autoprune.searchers.widths.exchange import random_exchange
from autoprune.searchers.widths.grid import WidthGrid


def test_a_random_exchange_moves_two_groups_within_reach_and_budgets() -> None:
    feasible, generator = DEEP.feasible("macs=0.4x"), np.random.default_rng(0)
    grid = WidthGrid(feasible)
    point = grid.point(feasible.scaled([0.5] * len(feasible.space)))
    reach = np.full(len(point), 3)
    seen = set()
    for _ in range(200):
        there = random_exchange(grid, point, reach, generator)
        moved = there - point
        assert (moved < 0).sum() == 1
        assert (moved > 0).sum() <= 1
        assert abs(moved).max() <= 3
        assert grid.keeps(there[None])[0]
        seen.add(tuple(there))
    assert len(seen) > 100


def test_who_has_nothing_to_give_stays() -> None:
    grid = WidthGrid(ONE_GROUP.feasible())
    smallest = np.zeros(1, dtype=np.int64)
    assert random_exchange(grid, smallest, np.array([2]), np.random.default_rng(0)).tolist() == [0]
    assert random_exchange(grid, grid.top, np.array([2]), np.random.default_rng(0))[0] in (5, 6)
