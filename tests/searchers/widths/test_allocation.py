"""The allocation against a look at every policy: whole networks on a grid small enough for that."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import DEEP, HALF_FIXED, TOY, Chain, toy_feasible

from autoprune.budget import Budget
from autoprune.cost import FloatArray
from autoprune.feasible import DeviceBudgets, FeasibleSet
from autoprune.searchers.widths.allocation import Allocator, table
from autoprune.searchers.widths.exchange import improved, total
from autoprune.searchers.widths.grid import Points, WidthGrid

BUDGETS = [
    ("macs=0.4x",),
    ("macs=0.2x",),
    ("latency=0.5x",),
    ("memory=0.5x",),
    ("latency=0.7x", "params=0.3x"),
    ("macs=0.5x", "params=0.4x", "latency=0.6x"),
]


def _everything(chain: Chain = TOY) -> Points:
    return np.array(list(itertools.product(*[range(len(g.widths)) for g in chain.space().groups])))


EVERYTHING = _everything()


def _random_damages(seed: int) -> FloatArray:
    """Curves that fall with the width, of uneven steps, some groups far more sensitive than others."""
    generator = np.random.default_rng(seed)
    curves = []
    for group in TOY.space().groups:
        steps = generator.gamma(0.3, 1, len(group.widths) - 1)
        curves.append(generator.lognormal(0, 1) * np.append(steps[::-1].cumsum()[::-1], 0.0))
    return table(curves)


def _uniform(feasible: FeasibleSet) -> Points:
    return WidthGrid(feasible).point(feasible.scaled([0.5] * len(feasible.space)))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), budgets=st.sampled_from(BUDGETS))
def test_every_budget_is_kept_and_the_damage_is_near_the_least_there_is(seed: int, budgets: tuple[str, ...]) -> None:
    feasible, damages = toy_feasible(*budgets), _random_damages(seed)
    allocator = Allocator(feasible)
    found = allocator.best(damages, _uniform(feasible))
    assert allocator.grid.policy(found) in feasible
    least = total(damages, EVERYTHING[allocator.grid.keeps(EVERYTHING)]).min()
    assert total(damages, found[None])[0] <= 1.35 * least + 1e-9


@pytest.mark.parametrize("budgets", BUDGETS)
def test_it_mostly_finds_the_least_damage_itself(budgets: tuple[str, ...]) -> None:
    feasible = toy_feasible(*budgets)
    allocator, start = Allocator(feasible), _uniform(feasible)
    kept = EVERYTHING[allocator.grid.keeps(EVERYTHING)]
    ratios = []
    for seed in range(30):
        damages = _random_damages(seed)
        ratios.append(total(damages, allocator.best(damages, start)[None])[0] / total(damages, kept).min())
    assert np.mean(ratios) < 1.02
    assert np.mean(np.array(ratios) < 1 + 1e-9) > 0.75


def test_without_budgets_nothing_is_cut() -> None:
    allocator = Allocator(toy_feasible())
    assert (allocator.best(_random_damages(0), np.zeros_like(allocator.grid.top)) == allocator.grid.top).all()


def test_groups_of_one_width_keep_it() -> None:
    feasible = HALF_FIXED.feasible("macs=0.5x")
    allocator = Allocator(feasible)
    found = allocator.grid.policy(allocator.best(table(HALF_FIXED.damages()), _uniform(feasible)))
    assert found in feasible
    assert (found.widths[0], found.widths[2]) == (16, 32)


def test_budgets_of_several_devices_are_kept() -> None:
    """The same table elsewhere, with a tighter budget: that one binds."""
    cost = TOY.cost()
    elsewhere = [DeviceBudgets(cost, (Budget.parse("latency=0.4x"),), "elsewhere")]
    both = FeasibleSet(cost.space, cost, [Budget.parse("latency=0.6x")], elsewhere)
    allocator, alone = Allocator(both), Allocator(toy_feasible("latency=0.4x"))
    for seed in range(5):
        damages = _random_damages(seed)
        found = allocator.best(damages, _uniform(both))
        assert allocator.grid.policy(found) in both
        there = alone.best(damages, _uniform(both))
        assert total(damages, found[None])[0] == pytest.approx(total(damages, there[None])[0], rel=0.02)


def test_reach_holds_the_knapsack_near_its_start() -> None:
    feasible = DEEP.feasible("macs=0.5x")
    allocator, start = Allocator(feasible), _uniform(feasible)
    near = allocator._around(start, table(DEEP.damages()), start, 1)
    assert 0 < abs(near - start).max() <= 1
    assert total(table(DEEP.damages()), near[None])[0] < total(table(DEEP.damages()), start[None])[0]


def test_exchanges_never_make_it_worse_and_keep_the_budgets() -> None:
    feasible = toy_feasible("latency=0.5x", "params=0.5x")
    grid, start = WidthGrid(feasible), _uniform(feasible)
    for seed in range(10):
        damages = _random_damages(seed)
        found = improved(grid, start, damages)
        assert grid.keeps(found[None])[0]
        assert total(damages, found[None])[0] <= total(damages, start[None])[0]
        assert (improved(grid, found, damages) == found).all()


def test_a_table_is_infinite_beyond_a_groups_widths() -> None:
    assert table([np.array([1.0, 0.0]), np.array([0.0])]).tolist() == [[1.0, 0.0], [0.0, np.inf]]
