from __future__ import annotations

import math
from dataclasses import replace

import pytest
from searcher_contract import known_trials
from toy import toy_feasible, toy_problem

from autoprune.errors import BadInput
from autoprune.searchers.shapes.shape import shape_of, uniform_policy
from autoprune.searchers.start import first_policy, first_trial, knapsack_policy, observed
from autoprune.trial import Trial


def test_without_known_trials_a_search_begins_where_it_is_told() -> None:
    problem = toy_problem("macs=0.4x")
    assert first_policy(problem) == uniform_policy(problem)
    assert first_policy(problem, "knapsack") == knapsack_policy(problem) != uniform_policy(problem)


def test_the_best_known_policy_is_not_scored_again() -> None:
    known, kept = known_trials("macs=0.4x"), list[Trial]()
    best = max(known, key=lambda trial: trial.rank_key)
    assert first_trial(toy_problem("macs=0.4x", trials=7, kept=kept, known=known)) == (best, 7)
    assert not kept
    first, left = first_trial(toy_problem("macs=0.4x", trials=7, kept=kept))
    assert ([first], left) == (kept, 6)


def test_a_policy_of_tighter_budgets_is_widened() -> None:
    known = known_trials("macs=0.2x")
    problem = toy_problem("macs=0.4x", known=known)
    best, first = max(known, key=lambda trial: trial.rank_key).policy, first_policy(problem)
    assert all(a >= b for a, b in zip(first.widths, best.widths, strict=True))
    assert first != best
    assert problem.feasible.filled(first) == first


def test_a_policy_of_looser_budgets_is_scaled_down() -> None:
    known = known_trials("macs=0.9x")
    problem = toy_problem("macs=0.2x", known=known)
    assert observed(problem) == []
    assert first_policy(problem) in problem.feasible
    assert first_policy(problem) != uniform_policy(problem)


def test_what_keeps_the_budgets_and_has_a_reward_is_observed() -> None:
    known = [*known_trials("macs=0.4x"), *known_trials("macs=0.9x")]
    known[0] = replace(known[0], reward=math.nan)
    problem = toy_problem("macs=0.4x", known=known)
    assert observed(problem) == [t for t in known[1:] if t.policy in toy_feasible("macs=0.4x")]


def test_a_knapsack_needs_damages() -> None:
    with pytest.raises(BadInput, match="give the problem its `damages`"):
        knapsack_policy(replace(toy_problem("macs=0.4x"), damages=()))


def test_a_shape_is_scaled_up_to_its_policy() -> None:
    problem = toy_problem("macs=0.4x")
    for trial in known_trials("macs=0.4x"):
        shape = shape_of(problem, trial.policy)
        assert all(0 < ratio <= 0.9 for ratio in shape)
        ratios = problem.space.ratios(problem.feasible.scaled(shape))
        assert ratios == pytest.approx(problem.space.ratios(trial.policy), abs=1 / 8)
