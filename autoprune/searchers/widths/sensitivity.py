"""Sensitivity curves and a common threshold: each group is cut as far as it alone costs no more than all others.

Li et al., ICLR 2017, section 3.2 ("Determining single layer's sensitivity to pruning"), measure how
accuracy falls when one layer alone is pruned, and prune sensitive layers less; Han et al., NIPS 2015, set
every layer's threshold from such curves.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from autoprune.cost import FloatArray
from autoprune.searchers.settings import Settings
from autoprune.searchers.start import first_trial, known_damages
from autoprune.searchers.widths.grid import Points, WidthGrid
from autoprune.trial import Problem, Trial


class SensitivitySearcher(Settings):
    """Cuts one group at a time to see what that costs, then cuts all to the threshold at which the budgets are kept.

    Since no trial may break a budget, curves are measured around a policy that keeps them: first the
    uniform one, or the best that is known. Each group is cut from there to a share of its width, and
    its curve is the damage that is foreseen (the squared share removed, where damages are not known)
    times what was measured. The lowest threshold on these curves under which the budgets are kept,
    found by bisection, makes the next policy; another round, with other cuts, stands around the best.
    """

    cuts: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.5, 0.25, 0.75), min_length=1, description="share of a group's width after its cut, one a round, in turn"
    )

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials, a round of one cut a group and one policy at a time."""
        grid = WidthGrid(problem.feasible)
        curves = _Curves(grid, known_damages(problem) if problem.damages else _squared_removed(grid))
        (best, left), number = first_trial(problem), 0
        while left:
            cut = self.cuts[number % len(self.cuts)] / (1 + number // len(self.cuts))
            around, points = best, _cut(grid, grid.point(best.policy), cut)[: left - 1]
            for trial in problem.evaluate([grid.policy(point) for point in points]) if len(points) else []:
                curves.learn(around, trial)
                best = max(best, trial, key=lambda t: t.rank_key)
            [found] = problem.evaluate([grid.policy(curves.threshold_point(grid.point(around.policy)))])
            best = max(best, found, key=lambda t: t.rank_key)
            left, number = left - len(points) - 1, number + 1


class _Curves:
    """What cutting each group costs in reward: foreseen damages [groups, widths] times measured factors."""

    def __init__(self, grid: WidthGrid, foreseen: FloatArray) -> None:
        self._grid, self._foreseen = grid, foreseen
        self._losses: list[list[float]] = [[] for _ in range(len(foreseen))]
        self._damages: list[list[float]] = [[] for _ in range(len(foreseen))]

    def learn(self, around: Trial, cut: Trial) -> None:
        """Take in what a trial that differs from `around` in one group has cost."""
        here, there = self._grid.point(around.policy), self._grid.point(cut.policy)
        [group] = np.flatnonzero(here != there)
        loss = around.reward - cut.reward
        if math.isfinite(loss):
            self._losses[group].append(loss)
            self._damages[group].append(self._foreseen[group, there[group]] - self._foreseen[group, here[group]])

    def threshold_point(self, otherwise: Points) -> Points:
        """The point [groups] of the lowest threshold that keeps the budgets, room left filled; else `otherwise`."""
        curves = self._factors()[:, None] * self._foreseen
        thresholds = np.unique(curves[np.isfinite(curves)])
        low, high = 0, len(thresholds)  # the lowest that keeps the budgets lies in [low, high]
        while low < high:
            middle = (low + high) // 2
            kept = self._grid.keeps(self._at(curves, thresholds[middle])[None])[0]
            low, high = (low, middle) if kept else (middle + 1, high)
        if low == len(thresholds):
            return otherwise
        point = self._at(curves, thresholds[low])
        return self._grid.point(self._grid.feasible.filled(self._grid.policy(point)))

    def _at(self, curves: FloatArray, threshold: float) -> Points:
        """Each group's smallest width that costs no more than `threshold`."""
        return np.asarray((curves <= threshold).argmax(axis=1))

    def _factors(self) -> FloatArray:
        """Loss per foreseen damage of each group [groups]: least squares; the median where nothing was measured.

        None is below a twentieth of the median: a cut that did no harm by chance is not free.
        """
        factors = np.full(len(self._foreseen), np.nan)
        for group, (losses, damages) in enumerate(zip(self._losses, self._damages, strict=True)):
            if (power := float(np.dot(damages, damages))) > 0:
                factors[group] = np.dot(losses, damages) / power
        known = factors[factors > 0]
        median = float(np.median(known)) if len(known) else 1.0
        return np.maximum(np.where(np.isnan(factors), median, factors), median / 20)


def _cut(grid: WidthGrid, point: Points, share: float) -> Points:
    """`point` with one group cut to `share` of its width, one a group that can be; what saves most stands first."""
    group, coordinate, points = grid.alone(point)
    narrower = coordinate < point[group]
    group, points = group[narrower], points[narrower]
    kept = grid.keeps(points) if len(points) else np.zeros(0, dtype=bool)
    group, points = group[kept], points[kept]
    cuts = []
    for g in np.unique(group):
        options = points[group == g]
        ratios = grid.ratios(options)[:, g] / grid.ratios(point)[g]
        cuts.append(options[abs(ratios - share).argmin()])
    found = np.array(cuts, dtype=np.int64).reshape(len(cuts), len(point))
    return found[np.argsort(grid.loads(found).max(axis=1, initial=0), kind="stable")]


def _squared_removed(grid: WidthGrid) -> FloatArray:
    """The squared share of channels removed [groups, widths]; infinite beyond a group's widths."""
    coordinates = np.arange(grid.top.max() + 1)
    ratios = np.stack([grid.ratios(np.minimum(grid.top, c)) for c in coordinates], axis=1)
    return np.where(coordinates > grid.top[:, None], np.inf, (1 - ratios) ** 2)
