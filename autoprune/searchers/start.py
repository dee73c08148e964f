"""Where a search begins: at what another search has found already, else at a policy that needs no evaluation."""

from __future__ import annotations

import math
from typing import Literal

from autoprune.cost import FloatArray
from autoprune.errors import BadInput
from autoprune.searchers.shapes.shape import uniform_policy
from autoprune.searchers.widths.allocation import Allocator, table
from autoprune.space import Policy
from autoprune.trial import Problem, Trial

Start = Literal["uniform", "knapsack"]


def observed(problem: Problem) -> list[Trial]:
    """The known trials that this search could have made itself: within its budgets, with a finite reward."""
    return [t for t in problem.known if math.isfinite(t.reward) and t.policy in problem.feasible]


def first_policy(problem: Problem, start: Start = "uniform") -> Policy:
    """The best policy that is known, fitted to the budgets and room left filled; where none is known, `start`."""
    known = observed(problem) or list(problem.known)
    if not known:
        return uniform_policy(problem) if start == "uniform" else knapsack_policy(problem)
    best = max(known, key=lambda trial: trial.rank_key).policy
    feasible = problem.feasible
    return feasible.filled(best) if best in feasible else feasible.scaled(problem.space.ratios(best))


def first_trial(problem: Problem, start: Start = "uniform") -> tuple[Trial, int]:
    """The trial of `first_policy`, and how many are left then: all, where that trial is known already."""
    policy = first_policy(problem, start)
    known = next((trial for trial in observed(problem) if trial.policy == policy), None)
    if known is not None:
        return known, problem.trials
    [trial] = problem.evaluate([policy])
    return trial, problem.trials - 1


def knapsack_policy(problem: Problem) -> Policy:
    """The policy of least total damage within the budgets; raises `BadInput` where damages are not known."""
    allocator = Allocator(problem.feasible)
    grid = allocator.grid
    return grid.policy(allocator.best(known_damages(problem), grid.point(uniform_policy(problem))))


def known_damages(problem: Problem) -> FloatArray:
    """The problem's damages as a table [groups, widths]; raises `BadInput` where it has none."""
    if not problem.damages:
        raise BadInput("a knapsack weighs what each cut damages; give the problem its `damages`")
    return table(problem.damages)
