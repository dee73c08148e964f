"""Trials and problems: what ranks above what, and what cannot be searched."""

from __future__ import annotations

import math

import pytest
from toy import toy_feasible

from autoprune.cost import Cost, CostModel, CountPlan
from autoprune.errors import BadInput
from autoprune.feasible import FeasibleSet
from autoprune.objective import Quality
from autoprune.space import Policy, SearchSpace
from autoprune.trial import Problem, Trial


def trial(number: int, reward: float) -> Trial:
    return Trial(number, Policy((4,)), Quality(0.5, 0.5, 0.5), Cost(1, 1, 1), reward)


def test_trials_rank_by_reward_and_earlier_ones_win_ties() -> None:
    trials = [trial(0, 0.5), trial(1, 0.9), trial(2, math.nan), trial(3, 0.9), trial(4, -1.0)]
    ranked = sorted(trials, key=lambda t: t.rank_key, reverse=True)
    assert [t.number for t in ranked] == [1, 3, 0, 4, 2]


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_no_number_ranks_last(reward: float) -> None:
    assert trial(0, reward).rank_key < trial(1, -1e30).rank_key


def test_a_problem_shows_the_space_of_its_feasible_set() -> None:
    feasible = toy_feasible("macs=0.5x")
    assert Problem(feasible, lambda _: [], trials=1, seed=0).space is feasible.space


def test_a_search_has_trials() -> None:
    with pytest.raises(BadInput, match="at least 1 trial, got 0"):
        Problem(toy_feasible(), lambda _: [], trials=0, seed=0)


def test_a_network_without_groups_cannot_be_searched() -> None:
    space = SearchSpace(())
    nothing = FeasibleSet(space, CostModel(space, CountPlan((), (), (), ())), [])
    with pytest.raises(BadInput, match="no prunable channel group"):
        Problem(nothing, lambda _: [], trials=1, seed=0)
