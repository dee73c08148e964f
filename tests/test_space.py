"""Channel groups, policies and the space of widths."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.errors import BadInput
from autoprune.space import ChannelGroup, FrozenGroup, Policy, SearchSpace


def group(name: str = "conv", widths: tuple[int, ...] = (2, 4, 8), unit: int = 1) -> ChannelGroup:
    return ChannelGroup(name, widths[-1], widths, (name,), unit)


@st.composite
def groups(draw: st.DrawFn, name: str = "conv") -> ChannelGroup:
    unit = draw(st.integers(1, 4))
    units = draw(st.sets(st.integers(1, 30), min_size=1, max_size=8))
    return group(name, tuple(unit * n for n in sorted(units)), unit)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    return SearchSpace(tuple(draw(groups(f"conv{i}")) for i in range(draw(st.integers(1, 5)))))


@pytest.mark.parametrize(
    ("width", "widths", "unit", "rule"),
    [
        (8, (), 1, "last of its widths must be 8"),
        (8, (2, 4), 1, "last of its widths must be 8"),
        (8, (4, 4, 8), 1, "ascend"),
        (8, (4, 2, 8), 1, "ascend"),
        (8, (0, 8), 1, "positive"),
        (8, (2, 3, 8), 2, "multiples of its unit 2"),
    ],
)
def test_a_group_refuses_widths_that_break_a_rule(width: int, widths: tuple[int, ...], unit: int, rule: str) -> None:
    with pytest.raises(BadInput, match=f"group conv.*{rule}"):
        ChannelGroup("conv", width, widths, ("conv",), unit)


@pytest.mark.parametrize(("ratio", "width"), [(0.0, 2), (0.25, 2), (0.3, 2), (0.4, 4), (0.75, 8), (1.0, 8)])
def test_nearest_takes_the_closest_width_and_the_larger_of_two(ratio: float, width: int) -> None:
    assert group().nearest(ratio) == width


@given(groups(), st.floats(0, 1))
def test_no_offered_width_is_closer_than_the_nearest(one: ChannelGroup, ratio: float) -> None:
    best = min(abs(w - ratio * one.width) for w in one.widths)
    assert one.nearest(ratio) in one.widths
    assert abs(one.nearest(ratio) - ratio * one.width) == best


def test_a_policy_keeps_at_least_one_channel_everywhere() -> None:
    with pytest.raises(BadInput, match=r"at least one channel.*\(4, 0\)"):
        Policy((4, 0))


def test_group_names_are_unique() -> None:
    with pytest.raises(BadInput, match=r"unique.*twin"):
        SearchSpace((group("twin"), group("other"), group("twin")))


@given(spaces(), st.data())
def test_ratios_lead_back_to_the_policy(space: SearchSpace, data: st.DataObject) -> None:
    policy = Policy(tuple(data.draw(st.sampled_from(g.widths)) for g in space.groups))
    assert space.policy(space.ratios(policy)) == policy


@given(spaces())
def test_dense_and_smallest_are_the_ends_of_the_space(space: SearchSpace) -> None:
    count = len(space)
    assert space.policy([1.0] * count) == space.dense()
    assert space.policy([0.0] * count) == space.smallest()
    assert space.ratios(space.dense()) == (1.0,) * count
    space.check(space.dense())
    space.check(space.smallest())


@pytest.mark.parametrize(
    ("ratios", "rule"),
    [([0.5], "expected 2 ratios"), ([0.5, 1.2], r"lie in \[0, 1\].*1.2"), ([math.nan, 0.5], r"lie in \[0, 1\].*nan")],
)
def test_ratios_outside_the_rules_are_refused(ratios: list[float], rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        SearchSpace((group("a"), group("b"))).policy(ratios)


@pytest.mark.parametrize(
    ("widths", "rule"),
    [
        ((4,), "1 widths, the network has 2 groups"),
        ((4, 10), "group b: width 10 must be a multiple of 2 and at most 8"),
        ((4, 3), "group b: width 3 must be a multiple of 2"),
    ],
)
def test_check_names_the_group_and_the_width(widths: tuple[int, ...], rule: str) -> None:
    space = SearchSpace((group("a"), group("b", (2, 4, 8), unit=2)))
    with pytest.raises(BadInput, match=rule):
        space.check(Policy(widths))


def test_check_allows_widths_that_are_not_offered() -> None:
    """Offered widths are what a search tries; a policy file may hold any that the network can take."""
    SearchSpace((group("a", (2, 4, 8)),)).check(Policy((5,)))


def test_other_widths_change_nothing_else() -> None:
    space = SearchSpace((group("a"), group("b")), (FrozenGroup("stem", 16, "because"),))
    thinned = space.with_widths([(8,), (4, 8)])
    assert [g.widths for g in thinned.groups] == [(8,), (4, 8)]
    assert [(g.name, g.width, g.layers) for g in thinned.groups] == [(g.name, g.width, g.layers) for g in space.groups]
    assert thinned.frozen == space.frozen
    assert space.groups[0].widths == (2, 4, 8)


def test_other_widths_obey_the_same_rules() -> None:
    with pytest.raises(BadInput, match="last of its widths must be 8"):
        SearchSpace((group("a"),)).with_widths([(2, 4)])


def test_groups_that_are_to_be_kept_offer_their_dense_width_only() -> None:
    space = SearchSpace((group("layer1.a"), group("layer1.b"), group("layer2.a")))
    assert [len(g.widths) == 1 for g in space.keeping_whole(["layer1.*"]).groups] == [True, True, False]
    assert [len(g.widths) == 1 for g in space.keeping_whole(["*.a"]).groups] == [True, False, True]
    assert space.keeping_whole(["layer2.a"]).dense() == space.dense()
    assert space.keeping_whole([]) == space


def test_a_pattern_that_keeps_nothing_is_a_mistake() -> None:
    with pytest.raises(BadInput, match=r"no channel group to keep whole; there are 2: layer1.a, layer1.b"):
        SearchSpace((group("layer1.a"), group("layer1.b"))).keeping_whole(["layer1.a", "layer3.*"])
