"""The feasible set: whatever a searcher wishes, the policy that is tried keeps every budget."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import WIDTHS, toy_cost, toy_feasible, toy_space

from autoprune.budget import Budget
from autoprune.cost import CostModel, Metric
from autoprune.errors import BudgetUnreachable
from autoprune.feasible import DeviceBudgets, FeasibleSet
from autoprune.space import Policy

BUDGETS = [("macs=0.4x",), ("latency=0.6x",), ("memory=0.6x",), ("latency=0.5x", "params=0.4x"), ("macs=1x",)]
SETS = {budgets: toy_feasible(*budgets) for budgets in BUDGETS}

feasible_sets = st.sampled_from(list(SETS.values()))
ratios = st.lists(st.floats(0, 1), min_size=len(WIDTHS), max_size=len(WIDTHS))


def keeps(feasible: FeasibleSet, policy: Policy) -> bool:
    """Asked of the cost of this one policy, not of the set."""
    cost = feasible.cost.cost(policy)
    return all(cost.of(budget.metric) <= budget.limit for budget in feasible.budgets)


def random_policies(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    rng = np.random.default_rng(0)
    return np.stack([rng.choice(g.widths, n) for g in toy_space().groups], axis=1)


@pytest.mark.parametrize("budgets", BUDGETS)
def test_the_mask_says_of_each_policy_whether_it_keeps_the_budgets(budgets: tuple[str, ...]) -> None:
    policies = random_policies(200)
    expected = [keeps(SETS[budgets], Policy(tuple(map(int, row)))) for row in policies]
    assert SETS[budgets].mask(policies).tolist() == expected


def test_both_answers_occur() -> None:
    mask = SETS["macs=0.4x",].mask(random_policies(200))
    assert 0 < mask.sum() < len(mask)


def test_membership_is_the_mask_of_one() -> None:
    feasible = SETS["latency=0.6x",]
    assert feasible.space.smallest() in feasible
    assert feasible.space.dense() not in feasible


@given(feasible_sets, ratios)
def test_bounded_keeps_the_budgets(feasible: FeasibleSet, wanted: list[float]) -> None:
    policy = feasible.bounded(wanted)
    feasible.space.check(policy)
    assert keeps(feasible, policy)


@given(feasible_sets, ratios)
def test_scaled_keeps_the_budgets_and_leaves_no_room(feasible: FeasibleSet, wanted: list[float]) -> None:
    policy = feasible.scaled(wanted)
    assert keeps(feasible, policy)
    for g, group in enumerate(feasible.space.groups):
        place = group.widths.index(policy.widths[g])
        if place + 1 < len(group.widths):
            wider = Policy((*policy.widths[:g], group.widths[place + 1], *policy.widths[g + 1 :]))
            assert not keeps(feasible, wider)


@given(feasible_sets, ratios)
def test_whatever_is_reachable_can_be_completed(feasible: FeasibleSet, wanted: list[float]) -> None:
    """Along the walk, a width is offered exactly if the smallest rest then keeps the budgets; the least always is."""
    chosen: list[int] = []
    smallest = feasible.space.smallest().widths
    for g, (group, ratio) in enumerate(zip(feasible.space.groups, wanted, strict=True)):
        allowed = feasible.reachable(chosen)
        completed = {w: keeps(feasible, Policy((*chosen, w, *smallest[g + 1 :]))) for w in group.widths}
        assert allowed == tuple(w for w, ok in completed.items() if ok)
        assert group.widths[0] in allowed
        chosen.append(allowed[min(int(ratio * len(allowed)), len(allowed) - 1)])
    assert keeps(feasible, Policy(tuple(chosen)))


@given(ratios)
def test_what_already_fits_is_taken_as_wished(wanted: list[float]) -> None:
    feasible = SETS["macs=1x",]
    assert feasible.bounded(wanted) == feasible.space.policy(wanted)


def test_scaled_keeps_the_shape_of_the_wish() -> None:
    policy = SETS["macs=0.4x",].scaled([1.0, 0.25, 1.0, 0.25, 1.0])
    shares = SETS["macs=0.4x",].space.ratios(policy)
    assert min(shares[0], shares[2], shares[4]) > max(shares[1], shares[3])


def test_without_a_budget_everything_stays() -> None:
    assert toy_feasible().scaled([0.1] * len(WIDTHS)) == toy_space().dense()


def test_a_feasible_set_of_everything_small_is_searched_to_the_end() -> None:
    """Maximality against brute force: no feasible policy is at least as wide everywhere and wider somewhere."""
    space = toy_space().with_widths([(g.widths[1], g.widths[-1]) for g in toy_space().groups])
    cost = CostModel(space, toy_cost().plan)
    feasible = FeasibleSet(space, cost, [Budget.parse("macs=0.6x")])
    found = np.array(feasible.scaled([0.5] * len(space)).widths)
    everything = np.array(list(itertools.product(*(g.widths for g in space.groups))))
    above = ((everything >= found).all(1)) & ((everything > found).any(1))
    assert above.any()
    assert not feasible.mask(everything[above]).any()


@pytest.mark.parametrize("metric", [Metric.MACS, Metric.LATENCY, Metric.MEMORY])
def test_a_budget_below_the_smallest_network_says_what_that_costs(metric: Metric) -> None:
    cost = toy_cost()
    least = cost.cost(cost.space.smallest()).of(metric)
    share = least / cost.cost(cost.space.dense()).of(metric)
    message = f"no policy keeps {metric} <= {least / 2:.6g}: the smallest network costs {least:.6g}, {share:.3f}x"
    with pytest.raises(BudgetUnreachable, match=re.escape(message)):
        FeasibleSet(cost.space, cost, [Budget(metric, least / 2)])


@pytest.mark.parametrize("metric", [Metric.MACS, Metric.LATENCY])
def test_the_budget_that_the_message_offers_is_reachable(metric: Metric) -> None:
    cost = toy_cost()
    with pytest.raises(BudgetUnreachable) as caught:
        FeasibleSet(cost.space, cost, [Budget(metric, 1e-9)])
    offered = re.search(r"Raise the budget to (\S+) or more", str(caught.value))
    assert offered is not None
    assert cost.space.smallest() in FeasibleSet(cost.space, cost, [Budget.parse(offered[1])])


def two_devices(*, here: str, there: str) -> FeasibleSet:
    """The toy space under a budget here, and one on a device that takes half as long for half the channels."""
    cost = toy_cost()
    elsewhere = CostModel(cost.space, cost.plan, latency=lambda widths: widths.sum(axis=1) / 10)
    return FeasibleSet(cost.space, cost, [Budget.parse(here)], [DeviceBudgets(elsewhere, (Budget.parse(there),), "B")])


@given(ratios)
def test_a_policy_keeps_the_budgets_of_every_device(wanted: list[float]) -> None:
    feasible = two_devices(here="latency=0.7x", there="latency=0.5x")
    for policy in (feasible.scaled(wanted), feasible.bounded(wanted)):
        assert keeps(feasible, policy)
        assert sum(policy.widths) / 10 <= 0.5 * sum(WIDTHS) / 10


def test_either_device_may_be_the_one_that_binds() -> None:
    policies = random_policies(300)
    both = two_devices(here="latency=0.4x", there="latency=0.5x").mask(policies)
    here, there = toy_feasible("latency=0.4x").mask(policies), policies.sum(axis=1) <= 0.5 * sum(WIDTHS)
    assert both.tolist() == (here & there).tolist()
    assert (here & ~there).any()
    assert (there & ~here).any()


def test_loads_are_shares_of_every_limit_and_the_mask_is_where_none_is_over() -> None:
    feasible = two_devices(here="latency=0.7x", there="latency=0.5x")
    policies = random_policies(200)
    loads = feasible.loads(policies)
    assert (feasible.limits, loads.shape) == (2, (200, 2))
    assert ((loads <= 1).all(axis=1) == feasible.mask(policies)).all()
    assert toy_feasible().loads(policies).shape == (200, 0)


def test_only_another_devices_budget_bounds_policies_too() -> None:
    cost = toy_cost()
    elsewhere = CostModel(cost.space, cost.plan, latency=lambda widths: widths.sum(axis=1) / 10)
    feasible = FeasibleSet(cost.space, cost, [], [DeviceBudgets(elsewhere, (Budget.parse("latency=0.5x"),), "B")])
    assert sum(feasible.scaled([0.5] * len(WIDTHS)).widths) <= 0.5 * sum(WIDTHS)


def test_a_budget_that_no_network_keeps_elsewhere_names_the_device() -> None:
    with pytest.raises(BudgetUnreachable, match=r"latency <= .* on B: the smallest network costs"):
        two_devices(here="latency=0.7x", there="latency=0.01ms")


def test_a_set_within_further_budgets_keeps_both_and_the_tighter_of_one_metric() -> None:
    feasible = toy_feasible("macs=0.6x", "params=0.9x")
    dense = feasible.cost.cost(feasible.space.dense())
    within = feasible.within([Budget.parse("macs=0.4x"), Budget.parse("params=1x"), Budget.parse("memory=0.8x")])
    limits = {b.metric: b.limit for b in within.budgets}
    assert limits[Metric.MACS] == pytest.approx(0.4 * dense.macs)
    assert limits[Metric.PARAMS] == pytest.approx(0.9 * dense.params)
    assert limits[Metric.MEMORY] == pytest.approx(0.8 * dense.peak_memory_bytes)
    policies = random_policies(200)
    assert (within.mask(policies) <= feasible.mask(policies)).all()


def test_a_set_within_further_budgets_keeps_the_other_devices_too() -> None:
    feasible = two_devices(here="latency=0.7x", there="latency=0.5x").within([Budget.parse("macs=0.9x")])
    assert feasible.limits == 3
