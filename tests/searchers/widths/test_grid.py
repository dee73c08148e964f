from __future__ import annotations

import itertools

import numpy as np
from toy import HALF_FIXED, TOY, WIDTHS, toy_feasible

from autoprune.searchers.widths.grid import WidthGrid
from autoprune.space import Policy


def test_points_and_policies_are_the_same_thing() -> None:
    grid = WidthGrid(toy_feasible("macs=0.5x"))
    for ratio in (0.1, 0.5, 1.0):
        policy = TOY.space().policy([ratio] * len(WIDTHS))
        assert grid.policy(grid.point(policy)) == policy
    assert grid.policy(grid.top) == TOY.space().dense()
    assert grid.policy(np.zeros_like(grid.top)) == TOY.space().smallest()


def test_a_width_that_is_not_offered_counts_as_the_next_smaller() -> None:
    grid = WidthGrid(toy_feasible())
    assert grid.policy(grid.point(Policy((3, 16, 31, 1, 48)))).widths == (2, 16, 28, 4, 48)


def test_ratios_and_loads_are_those_of_the_policies() -> None:
    feasible = toy_feasible("macs=0.5x", "latency=0.7x")
    grid = WidthGrid(feasible)
    points = np.array([[0, 3, 7, 2, 5], grid.top])
    assert grid.ratios(points)[1].tolist() == [1.0] * len(WIDTHS)
    assert np.allclose(grid.loads(points)[1], [2.0, 1 / 0.7])
    for point, load, kept in zip(points, grid.loads(points), grid.keeps(points), strict=True):
        assert ((load <= 1).all(), kept) == (grid.policy(point) in feasible,) * 2


def test_alone_changes_one_group_at_a_time_to_every_width() -> None:
    grid = WidthGrid(HALF_FIXED.feasible())
    point = grid.point(Policy((16, 4, 32, 8, 24)))
    group, coordinate, points = grid.alone(point)
    assert [len(list(same)) for _, same in itertools.groupby(group)] == [1, 8, 1, 8, 8]
    for g, c, changed in zip(group, coordinate, points, strict=True):
        assert changed[g] == c
        assert (np.delete(changed, g) == np.delete(point, g)).all()
