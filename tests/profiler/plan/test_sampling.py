from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoprune.cost import Extent
from autoprune.profiler.plan.blueprint import units_of
from autoprune.profiler.plan.sampling import covering_policies, random_policies, small_sums
from autoprune.space import ChannelGroup, SearchSpace

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    groups = []
    for index in range(draw(st.integers(1, 6))):
        unit = draw(st.sampled_from([1, 4]))
        units = draw(st.lists(st.integers(1, 64), min_size=1, max_size=16, unique=True))
        widths = tuple(unit * n for n in sorted(units))
        groups.append(ChannelGroup(f"g{index}", widths[-1], widths, (f"g{index}",), unit))
    return SearchSpace(tuple(groups))


@given(spaces(), SEEDS)
def test_every_width_of_every_group_is_covered(space: SearchSpace, seed: int) -> None:
    policies = covering_policies(space, seed)
    for index, group in enumerate(space.groups):
        assert {policy.widths[index] for policy in policies} == set(group.widths)


@given(spaces(), SEEDS)
def test_few_policies_cover_and_the_extremes_are_among_them(space: SearchSpace, seed: int) -> None:
    policies = covering_policies(space, seed)
    assert policies[0] == space.dense()
    assert space.smallest() in policies
    assert len(set(policies)) == len(policies) <= 5 + max(len(g.widths) for g in space.groups)


@given(spaces(), SEEDS, st.data())
def test_every_small_sum_of_groups_is_covered_once(space: SearchSpace, seed: int, data: st.DataObject) -> None:
    groups = data.draw(st.sets(st.sampled_from(range(len(space))), max_size=4).map(sorted))
    extent = Extent(data.draw(st.integers(0, 20)), tuple((g, data.draw(st.integers(1, 3))) for g in groups))
    covering = covering_policies(space, seed)
    added = small_sums(space, covering, [extent], seed)
    assert added == small_sums(space, covering, [extent], seed)
    assert all(p.widths[g] in group.widths for p in added for g, group in enumerate(space.groups))
    lengths = [extent.at(units_of(space, policy)) for policy in added]
    before = {extent.at(units_of(space, policy)) for policy in covering}
    assert len(set(lengths)) == len(lengths)
    assert not set(lengths) & before
    if len(groups) > 1:
        units = [[w // space.groups[g].unit for w in space.groups[g].widths] for g in groups]
        sums = {extent.fixed}
        for (_, positions), own in zip(extent.terms, units, strict=True):
            sums = {s + positions * n for s in sums for n in own}
        assert {n for n in sums if n <= 32} <= {*lengths, *before}


@given(spaces(), SEEDS)
def test_the_seed_makes_the_policies(space: SearchSpace, seed: int) -> None:
    assert covering_policies(space, seed) == covering_policies(space, seed)
    assert random_policies(space, 8, seed) == random_policies(space, 8, seed)


@given(spaces(), SEEDS, st.integers(0, 20))
def test_random_policies_are_offered_and_distinct(space: SearchSpace, seed: int, count: int) -> None:
    drawn = random_policies(space, count, seed)
    assert len(set(drawn)) == len(drawn) <= count
    for policy in drawn:
        assert all(width in group.widths for width, group in zip(policy.widths, space.groups, strict=True))


def test_random_policies_are_small_and_large() -> None:
    groups = tuple(ChannelGroup(f"g{i}", 64, tuple(range(4, 65, 4)), (f"g{i}",)) for i in range(20))
    totals = [sum(policy.widths) for policy in random_policies(SearchSpace(groups), 40, 0)]
    assert min(totals) < 0.3 * 20 * 64
    assert max(totals) > 0.7 * 20 * 64


def test_a_small_space_gives_what_it_has() -> None:
    space = SearchSpace((ChannelGroup("g", 8, (4, 8), ("g",)),))
    assert set(random_policies(space, 10, 0)) == {space.dense(), space.smallest()}
