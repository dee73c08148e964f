from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from searcher_contract import InformedContract, known_trials
from toy import DEEP, toy_problem

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.searchers.shapes.nsga2 import Nsga2Searcher
from autoprune.trial import Problem, Trial


class TestNsga2(InformedContract):
    name = "nsga2"
    settings: ClassVar = {"population": 4}


def test_known_trials_are_the_parents_of_its_first_generation() -> None:
    """They spend (nearly) the whole budget; without mutation, so do their children, but for how far these blend."""
    kept: list[Trial] = []
    problem = toy_problem("macs=0.4x", trials=4, kept=kept, known=known_trials("macs=0.4x"))
    Nsga2Searcher(population=4, mutation=0.0, alpha=0.0).search(problem)
    limit = problem.feasible.budgets[0].limit
    assert min(trial.cost.macs for trial in kept) > 0.85 * limit


def test_its_front_is_better_than_that_of_random_draws() -> None:
    better = []
    for seed in range(3):
        kept: list[Trial] = []
        problem = DEEP.problem("macs=0.5x", trials=150, seed=seed, kept=kept)
        Nsga2Searcher().search(problem)
        better.append(_hypervolume(problem, kept) - _hypervolume(problem, _drawn(problem)))
    assert np.mean(better) > 0.01


def test_it_finds_cheaper_networks_too() -> None:
    kept: list[Trial] = []
    problem = DEEP.problem("latency=0.6x", trials=60, kept=kept)
    Nsga2Searcher().search(problem)
    shares = [trial.cost.latency_ms / problem.feasible.budgets[0].limit for trial in kept if trial.cost.latency_ms]
    assert np.ptp(shares) > 0.4


def _drawn(problem: Problem) -> Sequence[Trial]:
    """As many random shapes, each spending a random share of the budget."""
    feasible, generator = problem.feasible, np.random.default_rng(problem.seed)
    levels = [Budget(Metric.MACS, feasible.budgets[0].limit * share) for share in generator.uniform(0.05, 1, 150)]
    return DEEP.evaluate(feasible, [])(
        [feasible.within([level]).scaled(generator.random(len(problem.space)).tolist()) for level in levels]
    )


def _hypervolume(problem: Problem, trials: Sequence[Trial]) -> float:
    """What the front of reward against MACs dominates, from the corner of no reward at all the budget's MACs."""
    volume, best, limit = 0.0, 0.0, problem.feasible.budgets[0].limit
    for trial in sorted(trials, key=lambda t: t.cost.macs):
        if trial.reward > best:
            volume += (trial.reward - best) * (limit - trial.cost.macs) / limit
            best = trial.reward
    return volume
