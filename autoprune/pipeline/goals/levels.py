"""Searches at budget levels: any searcher, asked again and again under another limit, each time knowing what it found.

One engine for a front and for a floor. It is a searcher itself, so that trials, ledger and resume
are those of any search.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.feasible import FeasibleSet
from autoprune.space import Policy
from autoprune.trial import Problem, Searcher, Trial

_LEAST_STEP = 1 / 64  # of the staircase, as a share of what can be saved at all


@dataclass(frozen=True, slots=True)
class CostRange:
    """What networks of a feasible set can cost in one metric: from the smallest one to the dense one or the budget."""

    metric: Metric
    least: float
    most: float
    limited: bool

    @classmethod
    def of(cls, feasible: FeasibleSet, metric: Metric) -> CostRange:
        """The range of `metric`; raises `BadInput` where it is not known."""
        least, dense = (feasible.cost.cost(p).of(metric) for p in (feasible.space.smallest(), feasible.space.dense()))
        limits = [b.limit for b in feasible.budgets if b.metric is metric]
        return cls(metric, least, min([dense, *limits]), limited=bool(limits))

    def level(self, share: float) -> Budget:
        """The budget that allows the `share` in [0, 1] of the range."""
        return Budget(self.metric, self.least + share * (self.most - self.least))

    def share(self, trial: Trial) -> float:
        """Where a trial lies in the range: 0 at its least cost, 1 at its most."""
        width = self.most - self.least
        return (trial.cost.of(self.metric) - self.least) / width if width > 0 else 0.0

    def levels(self, count: int) -> list[Budget]:
        """Evenly spaced budgets from tight to loose; the last is the budget itself, where there is one.

        Without one it lies a step below the dense network, which needs no search.
        """
        steps = count if self.limited else count + 1
        return [self.level(number / steps) for number in range(1, count + 1)]


def ladder(feasible: FeasibleSet, metrics: Sequence[Metric], count: int) -> list[tuple[Budget, ...]]:
    """Some `count` levels, tight ones first: of two metrics every combination of as few levels each as make `count`."""
    each = math.ceil(count ** (1 / len(metrics)))
    return list(itertools.product(*(CostRange.of(feasible, metric).levels(each) for metric in metrics)))


@dataclass(frozen=True)
class FrontSearch:
    """Spends its trials evenly on a ladder of budget levels, tight ones first, with `searcher` at each.

    Whatever keeps a tight level keeps the looser ones too, so that each level begins where those
    before it ended.
    """

    searcher: Searcher
    metrics: tuple[Metric, ...]
    levels: int

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials."""
        climb = _Climb(self.searcher, problem)
        rungs = ladder(problem.feasible, self.metrics, self.levels)
        for rung, trials in zip(rungs, evenly(problem.trials, len(rungs)), strict=False):
            climb.search(rung, trials)


@dataclass(frozen=True)
class FloorSearch:
    """Looks for the least cost at which a network still `keeps` a floor, with `searcher` at each of some levels.

    A staircase (Levitt, Transformed up-down methods in psychoacoustics, JASA 49, 1971): below the
    best policy of a level that keeps the floor, above a level whose best policy does not, by a step
    that is halved each time. Unlike a bisection it comes back to a level that failed for want of trials.
    """

    searcher: Searcher
    metric: Metric
    levels: int
    keeps: Callable[[Policy], bool]

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials."""
        climb = _Climb(self.searcher, problem)
        costs = CostRange.of(problem.feasible, self.metric)
        level, step = 0.5, 0.25
        for trials in evenly(problem.trials, self.levels):
            best = climb.search([costs.level(level)], trials)
            if best is not None and self.keeps(best.policy):
                level = costs.share(best) - step
            else:
                level += step
            level = min(max(level, _LEAST_STEP), 1.0 if costs.limited else 1 - _LEAST_STEP)
            step = max(step / 2, _LEAST_STEP)


@dataclass
class _Climb:
    """One problem searched at one level after another; `trials` are those of all levels so far."""

    searcher: Searcher
    problem: Problem
    trials: list[Trial] = field(default_factory=list)
    _levels: Iterator[int] = field(default_factory=itertools.count)

    def search(self, budgets: Sequence[Budget], trials: int) -> Trial | None:
        """Spend `trials` under `budgets` too; the best of all trials so far that keep them, None where none is finite.

        Each level has a seed of its own, so that no two draw the same.
        """
        problem = self.problem
        feasible = problem.feasible.within(budgets)
        seed = int(np.random.SeedSequence([problem.seed, next(self._levels)]).generate_state(1)[0])
        known = (*problem.known, *self.trials)
        level = replace(problem, feasible=feasible, evaluate=self._evaluate, trials=trials, seed=seed, known=known)
        self.searcher.search(level)
        within = [t for t in self.trials if math.isfinite(t.reward) and t.policy in feasible]
        return max(within, key=lambda trial: trial.rank_key, default=None)

    def _evaluate(self, policies: Sequence[Policy]) -> list[Trial]:
        scored = self.problem.evaluate(policies)
        self.trials += scored
        return scored


def evenly(total: int, parts: int) -> list[int]:
    """`total` in `parts` that differ by one at most, the larger first; parts of nothing are left out."""
    share, rest = divmod(total, parts)
    return [size for part in range(parts) if (size := share + (part < rest))]
