"""Searches at budget levels: what they spend, what they keep, and that they find what brute force finds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import toy_feasible, toy_problem, toy_quality, toy_space

from autoprune.cost import Metric
from autoprune.front import front
from autoprune.pipeline.goals.levels import CostRange, FloorSearch, FrontSearch, evenly, ladder
from autoprune.searchers.random_search import RandomSearcher
from autoprune.searchers.registry import build_searcher
from autoprune.searchers.uniform import UniformSearcher
from autoprune.space import Policy
from autoprune.trial import Problem, Searcher, Trial

RANDOM = RandomSearcher(batch=4)


class Recording:
    """Notes the problems that it is given, and searches them at random."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def search(self, problem: Problem) -> None:
        self.problems.append(problem)
        RANDOM.search(problem)


def along(*metrics: Metric) -> FrontSearch:
    return FrontSearch(RANDOM, metrics, 8)


def keeps(least: float, searcher: Searcher = RANDOM) -> FloorSearch:
    return FloorSearch(searcher, Metric.MACS, 8, lambda policy: toy_quality(policy).score >= least)


def spent(searcher: Searcher, *budgets: str, trials: int, seed: int = 0) -> list[Trial]:
    kept: list[Trial] = []
    searcher.search(toy_problem(*budgets, trials=trials, seed=seed, kept=kept))
    return kept


@given(st.integers(0, 500), st.integers(1, 40))
def test_an_even_share_is_even_and_whole(total: int, parts: int) -> None:
    shares = evenly(total, parts)
    assert sum(shares) == total
    assert len(shares) == min(total, parts)
    assert max(shares, default=0) - min(shares, default=0) <= 1


def test_levels_lie_between_the_smallest_network_and_the_dense_one() -> None:
    feasible = toy_feasible()
    costs = CostRange.of(feasible, Metric.MACS)
    limits = [b.limit for b in costs.levels(7)]
    least, most = (feasible.cost.cost(p).macs for p in (feasible.space.smallest(), feasible.space.dense()))
    np.testing.assert_allclose(limits, least + (most - least) * np.arange(1, 8) / 8)


def test_the_last_level_is_the_budget_where_there_is_one() -> None:
    feasible = toy_feasible("macs=0.5x")
    limits = [b.limit for b in CostRange.of(feasible, Metric.MACS).levels(4)]
    assert limits[-1] == pytest.approx(feasible.budgets[0].limit)
    assert limits == sorted(limits)


@pytest.mark.parametrize(("count", "expected"), [(4, 4), (8, 9), (9, 9)])
def test_two_costs_make_a_grid_of_levels(count: int, expected: int) -> None:
    rungs = ladder(toy_feasible(), [Metric.LATENCY, Metric.PARAMS], count)
    assert len(rungs) == expected
    assert {tuple(b.metric for b in rung) for rung in rungs} == {(Metric.LATENCY, Metric.PARAMS)}


@pytest.mark.parametrize("trials", [1, 5, 8, 37])
@pytest.mark.parametrize("searcher", [along(Metric.MACS), along(Metric.LATENCY, Metric.PARAMS), keeps(0.9)])
def test_exactly_the_trials_of_the_problem_are_spent(searcher: Searcher, trials: int) -> None:
    assert len(spent(searcher, trials=trials)) == trials


@pytest.mark.parametrize("searcher", [along(Metric.MACS), keeps(0.9)])
def test_budgets_hold_at_every_level(searcher: Searcher) -> None:
    feasible = toy_feasible("memory=0.7x", "latency=0.8x")
    trials = spent(searcher, "memory=0.7x", "latency=0.8x", trials=40)
    assert feasible.mask(np.array([t.policy.widths for t in trials])).all()


@pytest.mark.parametrize("searcher", [along(Metric.MACS), keeps(0.9)])
def test_the_same_seed_spends_the_same_trials_and_another_others(searcher: Searcher) -> None:
    assert spent(searcher, trials=30) == spent(searcher, trials=30)
    assert spent(searcher, trials=30) != spent(searcher, trials=30, seed=1)


def test_each_level_knows_all_that_was_found_before_it_and_draws_anew() -> None:
    recording = Recording()
    kept: list[Trial] = []
    FrontSearch(recording, (Metric.MACS,), 5).search(toy_problem(trials=20, kept=kept))
    assert [len(p.known) for p in recording.problems] == [0, 4, 8, 12, 16]
    assert [p.known for p in recording.problems] == [tuple(kept[: 4 * i]) for i in range(5)]
    assert len({p.seed for p in recording.problems}) == 5
    limits = [p.feasible.budgets[0].limit for p in recording.problems]
    assert limits == sorted(limits)
    assert all(t.policy in recording.problems[-1].feasible for t in kept)


def test_a_front_is_covered_from_end_to_end_better_than_a_search_of_one_budget_could() -> None:
    best = front(spent(along(Metric.MACS), trials=160), [Metric.MACS])
    costs = CostRange.of(toy_feasible(), Metric.MACS)
    shares = [costs.share(t) for t in best]
    assert min(shares) < 0.2
    assert max(shares) > 0.75
    assert max(b - a for a, b in itertools.pairwise(shares)) < 0.25


def test_a_searcher_that_spends_one_trial_a_level_spends_one_trial_a_level() -> None:
    assert len(spent(FrontSearch(UniformSearcher(), (Metric.MACS,), 6), trials=60)) == 6


def least_cost_by_brute_force(least: float) -> float:
    """MACs of the cheapest of all policies of the toy network whose score is `least` or more."""
    space, cost = toy_space(), toy_feasible().cost
    cheapest = np.inf
    for block in _blocks(space.groups[0].widths, [g.widths for g in space.groups[1:]]):
        macs = cost.costs(block, [Metric.MACS])[Metric.MACS]
        order = np.argsort(macs)
        for row in order[macs[order] < cheapest]:
            if toy_quality(Policy(tuple(map(int, block[row])))).score >= least:
                cheapest = min(cheapest, macs[row])
                break
    return float(cheapest)


def _blocks(first: Sequence[int], rest: Sequence[Sequence[int]]) -> list[np.ndarray]:
    others = np.array(list(itertools.product(*rest)))
    return [np.column_stack([np.full(len(others), width), others]) for width in first]


@pytest.mark.parametrize("least", [0.8, 0.9, 0.97])
def test_a_floor_search_ends_near_the_cheapest_network_that_there_is(least: float) -> None:
    optimum = least_cost_by_brute_force(least)
    dense = toy_feasible().cost.cost(toy_space().dense()).macs
    for seed in range(3):
        trials = spent(keeps(least, build_searcher("tpe", {})), trials=160, seed=seed)
        found = min(t.cost.macs for t in trials if t.quality.score >= least)
        assert optimum <= found <= optimum + 0.03 * dense


def test_a_floor_search_comes_back_up_after_a_level_that_failed() -> None:
    recording = Recording()
    FloorSearch(recording, Metric.MACS, 6, lambda policy: toy_quality(policy).score >= 0.999).search(
        toy_problem(trials=24)
    )
    limits = [p.feasible.budgets[0].limit for p in recording.problems]
    assert limits == sorted(limits)
    assert limits[0] < limits[-1]


def test_a_floor_that_everything_keeps_leads_down_to_the_smallest_networks() -> None:
    trials = spent(FloorSearch(RANDOM, Metric.MACS, 8, lambda _: True), trials=40)
    costs = CostRange.of(toy_feasible(), Metric.MACS)
    assert min(costs.share(t) for t in trials) <= 1 / 32
