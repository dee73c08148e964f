from __future__ import annotations

import functools

import numpy as np
import pytest
from small_networks import CPU, SmallNetworks, small_blueprint

from autoprune.cost import Extent, Kernel
from autoprune.profiler.listening import silent
from autoprune.profiler.plan.blueprint import units_of
from autoprune.profiler.plan.extents import Axis
from autoprune.profiler.plan.kernel_plan import Ambiguous, KernelPlan, PlannedSite, make_plan
from autoprune.profiler.plan.observing import Observed, observe_more, observe_plan, possible_policies, predicts
from autoprune.profiler.runtime.executed import Execution, Site, observe
from autoprune.space import Policy

SPACE = small_blueprint().space
CANDIDATES = small_blueprint().candidates


@functools.cache
def observed() -> Observed:
    return observe_plan(SmallNetworks(), CPU, seed=0, tell=silent)


def execution(*kernels: tuple[str, Kernel]) -> Execution:
    return Execution(tuple(Site(name, kernel) for name, kernel in kernels), {}, {})


def relu(*lengths: int) -> Kernel:
    return Kernel("Relu", (lengths,), (lengths,))


def test_the_plan_says_what_any_policy_executes() -> None:
    plan = observed().plan
    assert not plan.unexplained
    for inner in SPACE.groups[0].widths:
        for last in SPACE.groups[1].widths:
            policy = Policy((inner, last))
            assert predicts(plan, units_of(SPACE, policy), observe(SmallNetworks()(policy), CPU)), policy


def test_kernels_are_counted_as_often_as_they_are_executed() -> None:
    policy = Policy((12, 24))
    said = observed().plan.kernels(units_of(SPACE, policy))
    done = observe(SmallNetworks()(policy), CPU).kernels
    assert sorted(map(str, said)) == sorted(map(str, done))


def test_what_was_seen_is_kept_with_the_plan() -> None:
    seen = observed()
    assert len(seen.policies) == len(seen.executions) == len(set(seen.policies))
    for policy, done in zip(seen.policies, seen.executions, strict=True):
        assert predicts(seen.plan, units_of(SPACE, policy), done)


def test_no_more_is_looked_at_where_kernels_depend_on_one_group() -> None:
    one_group = [site for site in observed().plan.sites if len(site.groups()) < 2]
    alone = Observed(observed().policies, observed().executions, KernelPlan(tuple(one_group)))
    assert observe_more(alone, SmallNetworks(), CPU, seed=0, tell=silent) is alone


def test_the_plan_is_the_network_s_and_not_that_of_the_widths_on_offer() -> None:
    narrower = SPACE.with_widths([(8, 16, 32), (16, 48)])
    again = observe_plan(SmallNetworks(narrower), CPU, seed=1, tell=silent).plan
    for policy in (SPACE.dense(), Policy((8, 16)), Policy((16, 48))):
        units = units_of(SPACE, policy)
        assert observed().plan.kernels(units) == again.kernels(units)


def test_whatever_a_profile_looks_at_was_possible() -> None:
    possible = possible_policies(SmallNetworks().blueprint, 0)
    assert len(set(possible)) == len(possible)
    assert set(observed().policies) <= set(possible)
    pairs = KernelPlan((PlannedSite("two", "Add", ((Axis(CANDIDATES[0]),), (Axis(CANDIDATES[1]),)), ()),))
    more = observe_more(
        Observed(observed().policies, observed().executions, pairs), SmallNetworks(), CPU, seed=0, tell=silent
    )
    assert set(observed().policies) < set(more.policies) <= set(possible)
    assert len(more.policies) == len(more.executions) == len(set(more.policies))


def test_a_place_that_comes_and_goes_follows_its_width() -> None:
    units = np.array([[4, 9], [8, 9], [12, 7], [16, 7], [20, 5], [32, 5]])
    seen = [
        execution(("always", relu(1, inner)), *([("reorder", relu(inner))] if inner % 16 else []))
        for inner, _ in units.tolist()
    ]
    plan = make_plan(seen, units, CANDIDATES)
    reorder = next(site for site in plan.sites if site.name == "reorder")
    assert [reorder.kernel([inner, 9]) is not None for inner in (4, 12, 16, 24, 32)] == [True, True, False, True, False]
    assert reorder.groups() == (0,)


def test_a_place_whose_operator_changes_is_two_sites() -> None:
    units = np.array([[4, 9], [8, 7], [16, 5], [32, 3]])
    seen = [
        execution(("add", Kernel("Add" if inner < 16 else "Fused", ((inner,),), ((inner,),))))
        for inner, _ in units.tolist()
    ]
    plan = make_plan(seen, units, CANDIDATES)
    assert [k.op for inner in (4, 16) for k in plan.kernels([inner, 1])] == ["Add", "Fused"]
    assert len({site.key for site in plan.sites}) == 2


def test_what_follows_no_rule_is_named_and_left_out() -> None:
    units = np.array([[4, 9], [8, 7], [16, 5], [32, 3]])
    seen = [execution(("odd", relu(n)), ("plain", relu(3))) for n in (7, 3, 8, 1)]
    plan = make_plan(seen, units, CANDIDATES)
    assert plan.unexplained == (("odd", "Relu"),)
    assert [site.name for site in plan.sites] == ["plain"]


def test_policies_that_cannot_tell_are_not_enough() -> None:
    units = np.array([[4, 4], [8, 8]])
    seen = [execution(("relu", relu(n))) for n in (4, 8)]
    with pytest.raises(Ambiguous):
        make_plan(seen, units, CANDIDATES)
    settled = make_plan(seen, units, CANDIDATES, settle=True)
    assert settled.kernels([8, 8]) == [relu(8)]


def test_a_site_knows_which_lengths_the_policy_changes() -> None:
    units = np.array([[4, 9], [8, 7], [16, 5]])
    seen = [
        execution(("conv", Kernel("Conv", ((1, a, 7, 7), (b, a, 3, 3)), ((1, b, 7, 7),)))) for a, b in units.tolist()
    ]
    [site] = make_plan(seen, units, CANDIDATES).sites
    assert isinstance(site, PlannedSite)
    assert site.varying() == ((0, 1), (1, 0), (1, 1), (2, 1))
    assert site.groups() == (0, 1)
    first, second = Axis(Extent(0, ((0, 1),))), Axis(Extent(0, ((1, 1),)))
    assert site.inputs == ((1, first, 7, 7), (second, first, 3, 3))
    assert site.outputs == ((1, second, 7, 7),)
    assert site.kernel([12, 24]) == Kernel("Conv", ((1, 12, 7, 7), (24, 12, 3, 3)), ((1, 24, 7, 7),))
