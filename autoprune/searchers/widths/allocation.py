"""The allocation of least total damage within the budgets: a knapsack over every group's widths.

HALP (Shen et al., NeurIPS 2022) maximises the importance of what is kept subject to a latency
looked up in a table, as a knapsack over groups of channels that is solved by dynamic programming.
There each layer's latency is taken with its inputs as they are; here too what a group costs depends
on its neighbours' widths, so costs are taken alone, around a policy, and the knapsack is solved again
around its answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from autoprune.cost import FloatArray
from autoprune.feasible import FeasibleSet
from autoprune.searchers.widths.exchange import improved, total
from autoprune.searchers.widths.grid import Points, WidthGrid
from autoprune.searchers.widths.multiple_choice import best_choices

# Linear costs overrate what cutting two neighbours saves: capacities somewhat above the budget are looked at too.
_OVERSHOOT = 1.5
_ROUNDS = 12


class Allocator:
    """Finds points of a `WidthGrid` with little total damage that keep every budget.

    Around a point, each group's cost is what the exact cost model says when only that group
    changes. The knapsack over these costs is solved for every capacity at once, the exact model
    picks the best answer that keeps all budgets, and the next knapsack stands around it, until
    none is better. Several budgets are weighed into one capacity, each alone and all evenly.
    Exchanges of width between two groups then mend what linear costs and rounding missed.

    Dynamic programming, not a Lagrangian: on a staircase of costs many allocations of least damage
    lie off the convex hull that multipliers can reach.
    """

    def __init__(self, feasible: FeasibleSet, bins: int = 512) -> None:
        self.grid, self._bins = WidthGrid(feasible), bins
        self._weights = _weightings(feasible.limits)

    def best(self, damages: FloatArray, start: Points) -> Points:
        """The point [groups] of least total damage that is found from `start`, or from the smallest network.

        `damages` is [groups, widths], any numbers beyond a group's own widths; `start` keeps the budgets.
        """
        found = np.stack([self.near(damages, point) for point in (start, np.zeros_like(start))])
        return np.asarray(found[total(damages, found).argmin()])

    def near(self, damages: FloatArray, start: Points, *, reach: int | None = None, rounds: int = _ROUNDS) -> Points:
        """The same from `start` alone, by at most `rounds` knapsacks, in which no coordinate moves beyond `reach`."""
        if not len(self._weights):
            return self.grid.top.copy()
        best = start
        for _ in range(rounds):
            found = self._around(best, damages, start, reach)
            if total(damages, found[None])[0] >= total(damages, best[None])[0]:
                break
            best = found
        return improved(self.grid, best, damages)

    def _around(self, point: Points, damages: FloatArray, start: Points, reach: int | None) -> Points:
        """The best answer, by exact costs, of the knapsacks around `point`; `point` where there is none."""
        group, coordinate, points = self.grid.alone(point)
        if reach is not None:
            near = abs(coordinate - start[group]) <= reach
            group, coordinate, points = group[near], coordinate[near], points[near]
        here = self.grid.loads(point[None])[0]
        extra = self.grid.loads(points) - here
        answers = [self._answers(group, coordinate, extra @ w, float((1 - here) @ w), damages) for w in self._weights]
        candidates = np.vstack([point, *answers])
        candidates = candidates[np.argsort(total(damages, candidates), kind="stable")]
        return np.asarray(candidates[int(np.argmax(self.grid.keeps(candidates)))])

    def _answers(
        self, group: Points, coordinate: Points, extra: FloatArray, room: float, damages: FloatArray
    ) -> Points:
        """Points [n, groups] of least damage for capacities around `room`, `extra` [options] being what each adds."""
        classes = np.split(np.arange(len(group)), np.flatnonzero(np.diff(group)) + 1)
        cheapest = sum(float(extra[options].min()) for options in classes)
        capacity = cheapest + _OVERSHOOT * (room - cheapest)
        choices = best_choices(
            [extra[options] for options in classes],
            [damages[group[options], coordinate[options]] for options in classes],
            capacity,
            self._bins,
        )
        return np.stack([coordinate[options[choices[:, g]]] for g, options in enumerate(classes)], axis=1)


def table(damages: Sequence[FloatArray]) -> FloatArray:
    """Damages of a problem, one array a group, as [groups, widths]; infinite beyond a group's widths."""
    rows = itertools.zip_longest(*damages, fillvalue=np.inf)
    return np.array(list(rows), dtype=np.float64).T.copy()


def _weightings(limits: int) -> FloatArray:
    """Weights [n, limits] that make one cost of several: each limit alone, and all evenly."""
    alone = np.eye(limits)
    return alone if limits < 2 else np.vstack([alone, np.full(limits, 1 / limits)])
