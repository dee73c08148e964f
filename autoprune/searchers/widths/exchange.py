"""Exchanges: one group takes width, another gives some up for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoprune.cost import FloatArray
from autoprune.searchers.widths.grid import Points, WidthGrid

_BLOCK = 256  # exchanges judged at once by their exact costs, the most promising first


@dataclass(frozen=True, slots=True, eq=False)
class _Moves:
    """Moves of one group each: the `group` [n], the coordinate it gets [n], and the `damage` [n] that adds."""

    group: Points
    to: Points
    damage: FloatArray


def improved(grid: WidthGrid, point: Points, damages: FloatArray, up: int = 2, down: int = 4) -> Points:
    """`point` [groups], bettered by exchanges until none lowers its total damage within the budgets.

    An exchange widens one group by 1 to `up` steps and narrows another, or none, by 1 to `down`;
    the one that gains most is taken, again and again. `damages` [groups, widths] is what each group
    costs at each coordinate.
    """
    while (better := _best_exchange(grid, point, damages, up, down)) is not None:
        point = better
    return point


def total(damages: FloatArray, points: Points) -> FloatArray:
    """Sum of damages [n] at points [n, groups]; `damages` is [groups, widths]."""
    return np.asarray(damages[np.arange(points.shape[1]), points].sum(axis=1))


def _best_exchange(grid: WidthGrid, point: Points, damages: FloatArray, up: int, down: int) -> Points | None:
    """The point after the exchange that lowers the total damage most within the budgets; None where none does."""
    taking, giving = _moves(grid, point, damages, range(1, up + 1)), _moves(grid, point, damages, range(-down, 1))
    gains = -(taking.damage[:, None] + giving.damage)
    gains[taking.group[:, None] == giving.group] = 0
    worth = np.argwhere(gains > 1e-12 * (1 + total(damages, point[None])[0]))
    ranked = worth[np.argsort(-gains[worth[:, 0], worth[:, 1]], kind="stable")]
    for start in range(0, len(ranked), _BLOCK):
        taker, giver = ranked[start : start + _BLOCK].T
        points = np.tile(point, (len(taker), 1))
        rows = np.arange(len(points))
        points[rows, giving.group[giver]] = giving.to[giver]
        points[rows, taking.group[taker]] = taking.to[taker]
        kept = grid.keeps(points)
        if kept.any():
            return np.asarray(points[kept.argmax()])
    return None


def _moves(grid: WidthGrid, point: Points, damages: FloatArray, steps: range) -> _Moves:
    """The moves of any group by any of `steps` that stay on the grid; a step of 0 changes nothing."""
    group, step = (a.reshape(-1) for a in np.meshgrid(np.arange(len(point)), np.array(steps), indexing="ij"))
    to = point[group] + step
    there = (to >= 0) & (to <= grid.top[group])
    group, to = group[there], to[there]
    return _Moves(group, to, damages[group, to] - damages[group, point[group]])


def random_exchange(grid: WidthGrid, point: Points, reach: Points, generator: np.random.Generator) -> Points:
    """`point` after one group gave up to `reach` [groups] steps and another took what that leaves room for.

    The taker gets as many steps as the budgets and its own reach allow; where no group can take
    one, nobody does. A point whose groups have nothing to give stays as it is.
    """
    givers = np.flatnonzero(point > 0)
    if not len(givers):
        return point
    giver = int(generator.choice(givers))
    given = point.copy()
    given[giver] -= generator.integers(1, min(int(reach[giver]), int(point[giver])) + 1)
    for taker in generator.permutation(len(point)):
        most = min(int(point[taker] + reach[taker]), int(grid.top[taker]))
        taken = np.tile(given, (most - int(point[taker]), 1))
        taken[:, taker] = np.arange(point[taker] + 1, most + 1)
        fits = taker != giver and len(taken) and grid.keeps(taken)
        if np.any(fits):
            return np.asarray(taken[np.flatnonzero(fits)[-1]])
    return given
