"""Simulated annealing in policy space (Kirkpatrick, Gelatt and Vecchi, Science 220, 1983)."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from autoprune.searchers.settings import Settings
from autoprune.searchers.start import Start, first_trial
from autoprune.searchers.widths.exchange import random_exchange
from autoprune.searchers.widths.grid import WidthGrid
from autoprune.trial import Problem, Trial

_REDRAWS = 20  # of a move that leads where the search has been
_LOWEST = -1e300  # below any reward


class AnnealingSearcher(Settings):
    """Exchanges of width between two groups; worse ones are accepted with a probability that cools down.

    It starts at the best known trial; where none is known, at `start`. A move narrows one group and
    widens another as far as the budgets allow, then any that has room; how far moves reach shrinks
    with the temperature, to one step. The temperature is measured: at first it accepts a
    deterioration of the average size seen so far with probability `acceptance`, and it cools
    geometrically to `cooling` of that.
    """

    start: Start = Field("uniform", description="first trial where none is known: uniform, or knapsack")
    acceptance: float = Field(0.1, gt=0, lt=1, description="of an average deterioration, at the beginning")
    cooling: float = Field(0.02, gt=0, lt=1, description="last temperature, as a share of the first")
    reach: float = Field(0.2, gt=0, le=1, description="longest first move, as a share of a group's offered widths")

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials one after another."""
        generator, grid = np.random.default_rng(problem.seed), WidthGrid(problem.feasible)
        here, left = first_trial(problem, self.start)
        seen, losses = {trial.policy for trial in (*problem.known, here)}, []
        for number in range(left):
            cold = self.cooling ** ((number + 1) / left)
            reach = np.maximum(1, np.rint(self.reach * cold * grid.top)).astype(np.int64)
            for _ in range(_REDRAWS):
                point = random_exchange(grid, grid.point(here.policy), reach, generator)
                policy = problem.feasible.filled(grid.policy(point))
                if policy not in seen:
                    break
            seen.add(policy)
            [there] = problem.evaluate([policy])
            gain = _comparable(there) - _comparable(here)
            if _LOWEST < gain < 0:
                losses.append(-gain)
            warm = cold * float(np.mean(losses)) / -math.log(self.acceptance) if losses else 0.0
            if gain >= 0 or (warm and generator.random() < math.exp(gain / warm)):
                here = there


def _comparable(trial: Trial) -> float:
    """The reward; one that is not finite is lower than all that are."""
    return trial.reward if math.isfinite(trial.reward) else 2 * _LOWEST
