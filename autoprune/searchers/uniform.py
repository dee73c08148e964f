"""The same kept ratio everywhere: the policy that every search has to beat."""

from __future__ import annotations

from autoprune.searchers.settings import Settings
from autoprune.searchers.shapes.shape import uniform_policy
from autoprune.trial import Problem


class UniformSearcher(Settings):
    """Scores the largest uniform policy within the budgets and ends.

    There is one such policy, so this spends one trial however many it is given.
    """

    def search(self, problem: Problem) -> None:
        """Score the uniform policy."""
        problem.evaluate([uniform_policy(problem)])
