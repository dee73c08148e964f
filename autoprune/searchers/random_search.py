"""Policies drawn at random within the budgets: the search that every other has to beat."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from autoprune.searchers.settings import Settings
from autoprune.searchers.shapes.shape import spend
from autoprune.trial import Problem


class RandomSearcher(Settings):
    """Draws the shape of the allocation and spends the whole budget on it.

    One ratio a group is drawn from U(0, 1), and the policy is the largest of that shape within the
    budgets (`FeasibleSet.scaled`). Ratios used as they are would nearly always break a tight budget
    or waste a loose one; bounding them group by group would starve whichever group comes last.
    """

    batch: int = Field(16, ge=1, description="policies handed over at once")

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials, each on an independent draw."""
        generator = np.random.default_rng(problem.seed)
        for count in spend(problem.trials, self.batch):
            shapes = generator.random((count, len(problem.space)))
            problem.evaluate([problem.feasible.scaled(shape.tolist()) for shape in shapes])
