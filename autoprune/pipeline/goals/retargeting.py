"""The trials of a run under other goals: costed anew, those kept that keep the new budgets, one chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoprune.budget import Budget
from autoprune.errors import BudgetUnreachable
from autoprune.front import front
from autoprune.objective import Objective
from autoprune.pipeline.costs.costing import Costing
from autoprune.pipeline.goals.search import Found, finalists_of
from autoprune.pipeline.scores.judging import Judge
from autoprune.space import Policy, SearchSpace
from autoprune.spec import RunSpec
from autoprune.trial import Trial


def recosted(trial: Trial, costing: Costing, objective: Objective) -> Trial:
    """The trial with its cost by `costing`, its policy cut to widths that the tables know."""
    by_table = costing.table is not None or bool(costing.elsewhere)
    policy = _cut(trial.policy, costing.space) if by_table else trial.policy
    cost = costing.model.cost(policy)
    return replace(trial, policy=policy, cost=cost, reward=objective.reward(trial.quality, cost))


def _cut(policy: Policy, space: SearchSpace) -> Policy:
    """The policy of offered widths next below; a group that is below all of them takes its smallest."""
    groups = zip(policy.widths, space.groups, strict=True)
    return Policy(tuple(max((w for w in g.widths if w <= width), default=g.widths[0]) for width, g in groups))


def keeping(trials: Sequence[Trial], costing: Costing, spec: RunSpec, run: Path) -> list[Trial]:
    """The trials that keep every budget; raises `BudgetUnreachable`, saying what the nearest takes, without any."""
    feasible = costing.feasible(spec.search.budgets)
    widths = np.array([trial.policy.widths for trial in trials])
    kept = [trial for trial, keeps in zip(trials, feasible.mask(widths), strict=True) if keeps]
    if kept:
        return kept
    loads = feasible.loads(widths)
    nearest = loads[int(loads.max(axis=1).argmin())]
    here = [(b, "") for b in spec.search.budgets]
    elsewhere = [
        (b, f" on {one.device}") for one, asked in zip(costing.elsewhere, spec.also, strict=True) for b in asked.budgets
    ]
    asked = [*here, *elsewhere]
    taken = ", ".join(f"{_scaled(b, load)}{there}" for (b, there), load in zip(asked, nearest, strict=True))
    raise BudgetUnreachable(
        f"none of {len(trials)} trials of {run} keeps {', '.join(f'{b}{there}' for b, there in asked)}: the nearest "
        f"takes {taken}. Loosen the budgets to that, or search under them (autoprune search)."
    )


def _scaled(budget: Budget, load: float) -> str:
    """The budget that a policy at `load` of it would just keep, rounded up to four digits."""
    exact = budget.limit * load
    step = 10.0 ** (math.floor(math.log10(exact)) - 3)
    limit = math.ceil(exact / step) * step
    return f"{budget.metric}={limit:.4g}{'x' if budget.relative else ''}"


def choose_again(trials: list[Trial], judge: Judge) -> Found:
    """The best of the trials; under a floor the front is bisected for where it begins to keep it."""
    if judge.wanted is not None:
        best = front(trials, [judge.wanted.metric])
        low, high = 0, len(best) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if judge.keeps_floor(best[middle].policy) else (middle + 1, high)
        judge.keeps_floor(best[high].policy)
    return Found(trials, judge, judge.best(finalists_of(trials, judge)))
