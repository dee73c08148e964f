from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from autoprune.cost import Extent
from autoprune.profiler.plan.extents import (
    Axis,
    Region,
    explanations,
    find_region,
    length_at,
    lengths,
    single_groups,
    telling_apart,
)

GROUPS = 3
UNITS = np.random.default_rng(0).integers(1, 65, size=(40, GROUPS))
CANDIDATES = (*single_groups([1, 1, 4]), Extent(8, ((0, 1), (1, 1))))


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    extent = draw(st.sampled_from(CANDIDATES))
    kind = draw(st.sampled_from(["plain", "rounded", "partly", "scaled"]))
    if kind == "plain":
        return Axis(extent)
    if kind == "rounded":
        return Axis(extent, draw(st.sampled_from([4, 8, 16])))
    if kind == "partly":
        return Axis(extent, 16, Region(draw(st.integers(1, 40)), draw(st.sampled_from([1, 2, 4]))))
    times, plus = draw(st.integers(2, 49)), draw(st.integers(0, 7))
    terms = tuple((group, times * positions) for group, positions in extent.terms)
    return Axis(Extent(times * extent.fixed + plus, terms))


@given(axes())
def test_an_axis_is_read_back_from_its_lengths(axis: Axis) -> None:
    observed = [axis.at(row) for row in UNITS.tolist()]
    found = explanations(observed, UNITS, CANDIDATES)
    assert found
    for explanation in found:
        assert [length_at(explanation, row) for row in UNITS.tolist()] == observed
    assert axis.extent.terms in {explanation.extent.terms for explanation in found if isinstance(explanation, Axis)}


@given(axes())
def test_the_explanation_holds_for_policies_never_seen(axis: Axis) -> None:
    assume(axis.blocked == Region())
    [found] = explanations([axis.at(row) for row in UNITS.tolist()], UNITS, CANDIDATES)
    for row in np.random.default_rng(1).integers(1, 65, size=(20, GROUPS)).tolist():
        assert length_at(found, row) == axis.at(row)


def test_a_length_that_never_changes_is_fixed() -> None:
    assert explanations([7] * len(UNITS), UNITS, CANDIDATES) == [7]


def test_what_no_candidate_gives_is_not_explained() -> None:
    assert explanations((UNITS[:, 0] * UNITS[:, 1]).tolist(), UNITS, CANDIDATES) == []


def test_policies_that_cannot_tell_leave_every_explanation() -> None:
    alike = np.array([[4, 4, 1], [8, 8, 1], [12, 12, 1]])
    found = explanations([4, 8, 12], alike, CANDIDATES)
    assert set(found) == {Axis(Extent(0, ((0, 1),))), Axis(Extent(0, ((1, 1),)))}


@given(
    st.builds(
        Region,
        st.integers(0, 40),
        st.sampled_from([1, 2, 4, 8]),
        st.none() | st.builds(Region, st.integers(0, 40), st.sampled_from([8, 16])),
    )
)
def test_a_region_is_found_that_tells_the_seen_lengths_apart(region: Region) -> None:
    given_lengths = np.arange(1, 65)
    inside = np.array([length in region for length in range(1, 65)])
    found = find_region(given_lengths, inside)
    assert found is not None
    assert [length in found for length in range(1, 65)] == inside.tolist()


def test_no_region_holds_one_length_twice() -> None:
    assert find_region(np.array([8, 8]), np.array([True, False])) is None


def test_lengths_are_those_of_the_extent() -> None:
    extent = Extent(3, ((0, 2), (2, 5)))
    assert lengths(extent, UNITS).tolist() == [extent.at(row) for row in UNITS.tolist()]


def test_policies_that_change_two_groups_together_do_not_tell_them_apart() -> None:
    candidates = single_groups([1, 1])
    assert telling_apart(candidates, np.array([[8, 8], [4, 6], [2, 7]]))
    assert not telling_apart(candidates, np.array([[8, 16], [4, 8], [2, 4]]))
    assert not telling_apart(candidates, np.array([[8, 8], [4, 8], [2, 8]]))


def test_channels_and_units_of_one_group_count_as_one() -> None:
    assert telling_apart(single_groups([4]), np.array([[1], [2]]))
