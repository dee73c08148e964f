"""Dynamic programming over damage and cost (HALP: Shen et al., NeurIPS 2022), again and again as trials teach."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field, PositiveFloat

from autoprune.correlation import rank_correlation
from autoprune.cost import FloatArray
from autoprune.searchers.settings import Settings
from autoprune.searchers.shapes.shape import uniform_policy
from autoprune.searchers.start import first_trial, known_damages, observed
from autoprune.searchers.widths.allocation import Allocator
from autoprune.searchers.widths.belief import Belief
from autoprune.searchers.widths.exchange import random_exchange, total
from autoprune.searchers.widths.grid import Points
from autoprune.space import Policy
from autoprune.trial import Problem, Trial

_REDRAWS = 5  # of factors whose knapsack leads where the search has been, each time from a wider belief


class KnapsackSearcher(Settings):
    """Policies of least damage within the budgets: first as it is foreseen, then as trials tell what it really costs.

    The first trials are the knapsack of the damages raised to each of `exponents`: 1 is HALP's own
    formulation, more than 1 spares whatever is damaged most. Then, trial by trial, each group's
    damage gets a factor drawn from what the trials so far leave possible (Thompson sampling: Thompson,
    Biometrika 25, 1933), and the knapsack of these is the next policy: mostly within `reach` steps of
    the best one, at times anywhere. Where that leads to nothing new, a random exchange of width does.

    Known trials are learned from as its own are; of the exponents, only the one whose damages put
    them best in order is then used. Raises `BadInput` without damages.
    """

    exponents: tuple[PositiveFloat, ...] = Field(
        (1.0, 0.5, 1.5, 2.0, 3.0), min_length=1, description="on damages, in turn"
    )
    doubt: float = Field(1.5, gt=0, description="standard deviation of a factor before any trial; foreseen is 1")
    reach: int = Field(2, ge=1, description="steps of width that a group may move from the best policy")
    anywhere: float = Field(0.05, ge=0, le=1, description="share of the trials that may lie anywhere")

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials one after another."""
        _Search(problem, self).run()


class _Search:
    """One search: what it knows so far, and its next policies."""

    def __init__(self, problem: Problem, settings: KnapsackSearcher) -> None:
        self._problem, self._settings = problem, settings
        self._allocator = Allocator(problem.feasible)
        self._grid = self._allocator.grid
        self._damages = known_damages(problem)
        self._generator = np.random.default_rng(problem.seed)
        self._trials: list[Trial] = observed(problem)
        self._exponent: dict[Policy, float] = {}  # of the damages that led to a policy
        self._left = problem.trials

    def run(self) -> None:
        """Spend the trials."""
        exponents = self._settings.exponents
        if self._problem.known:
            exponents = (self._likely_exponent(),)
            first, self._left = first_trial(self._problem)
            self._trials.append(first)
            self._exponent = {trial.policy: exponents[0] for trial in self._trials}
        start = self._grid.point(uniform_policy(self._problem))
        for exponent in exponents[: self._left]:
            point = self._allocator.best(self._damages**exponent, start)
            self._score(self._grid.policy(point), exponent)
        while self._left:
            best = max(self._trials, key=lambda trial: trial.rank_key)
            exponent = self._exponent[best.policy]
            self._score(self._next(best, exponent), exponent)

    def _score(self, policy: Policy, exponent: float) -> None:
        self._trials += self._problem.evaluate([policy])
        self._exponent.setdefault(policy, exponent)
        self._left -= 1

    def _likely_exponent(self) -> float:
        """The exponent whose total damages put the trials best in order; the first of equals."""
        points, rewards = self._evidence()
        if len(points) < 2:
            return self._settings.exponents[0]
        return max(self._settings.exponents, key=lambda e: rank_correlation(-total(self._damages**e, points), rewards))

    def _evidence(self) -> tuple[Points, FloatArray]:
        """Points [n, groups] and rewards [n] of the trials whose rewards are numbers."""
        finite = [trial for trial in self._trials if math.isfinite(trial.reward)]
        points = np.array([self._grid.point(trial.policy) for trial in finite], dtype=np.int64)
        return points.reshape(-1, len(self._grid.top)), np.array([trial.reward for trial in finite])

    def _next(self, best: Trial, exponent: float) -> Policy:
        """The knapsack of factors drawn from the belief; a random exchange where it leads to nothing new."""
        damages, (points, rewards) = self._damages**exponent, self._evidence()
        paid = damages[np.arange(len(damages)), points]
        belief = Belief.of(paid, rewards, self._settings.doubt)
        start = self._grid.point(best.policy)
        for redraw in range(_REDRAWS):
            factors = belief.draw(self._generator, widened=1 + redraw)
            reach = None if self._generator.random() < self._settings.anywhere else self._settings.reach
            point = self._allocator.near(damages * factors[:, None], start, reach=reach, rounds=1)
            if (policy := self._grid.policy(point)) not in self._exponent:
                return policy
        steps = np.full(len(start), self._settings.reach)
        exchanged = random_exchange(self._grid, start, steps, self._generator)
        return self._problem.feasible.filled(self._grid.policy(exchanged))
