"""Trials and problems: what ranks above what, and what cannot be searched."""

from __future__ import annotations

import math

import numpy as np
import pytest
from toy import toy_feasible, toy_problem

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


def test_damages_are_one_falling_curve_a_group() -> None:
    feasible, good = toy_feasible(), toy_problem().damages
    widths = [len(group.widths) for group in feasible.space.groups]
    assert [len(damage) for damage in good] == widths
    rising, short = np.linspace(0, 1, widths[1]), np.linspace(1, 0, widths[1] - 1)
    for bad, complaint in [
        (good[:-1], r"one array of damages a group \(5\), got 4"),
        ((good[0], short, *good[2:]), r"conv1: expected one damage a width \(8\), got \[7\]"),
        ((good[0], rising, *good[2:]), "conv1: damages are finite, 0 at the dense width and nowhere rise"),
        ((good[0], good[1] + 0.1, *good[2:]), "conv1: damages are"),
        ((good[0] * np.nan, *good[1:]), "conv0: damages are"),
    ]:
        with pytest.raises(BadInput, match=complaint):
            Problem(feasible, lambda _: [], trials=1, seed=0, damages=bad)


def test_known_trials_are_of_the_same_space() -> None:
    with pytest.raises(BadInput, match="the policy has 1 widths, the network has 5 groups"):
        Problem(toy_feasible(), lambda _: [], trials=1, seed=0, known=(trial(0, 0.5),))


def test_a_network_without_groups_cannot_be_searched() -> None:
    space = SearchSpace(())
    nothing = FeasibleSet(space, CostModel(space, CountPlan((), (), (), ())), [])
    with pytest.raises(BadInput, match="no prunable channel group"):
        Problem(nothing, lambda _: [], trials=1, seed=0)
