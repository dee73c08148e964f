"""Sums over kernels for many policies at once, against the sum for each of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from autoprune.cost import Extent, FloatArray
from autoprune.errors import UnknownKernel
from autoprune.kernel_sum import KernelSum, Term
from autoprune.profiler.table.composition import Composition
from autoprune.space import ChannelGroup, SearchSpace

SPACE = SearchSpace(
    (
        ChannelGroup("a", 8, (2, 4, 8), ("a",)),
        ChannelGroup("b", 12, (3, 6, 12), ("b",), unit=3),
        ChannelGroup("c", 10, (5, 10), ("c",)),
    )
)
GRID = np.array(list(itertools.product(*(g.widths for g in SPACE.groups))))
UNITS = GRID // np.array([g.unit for g in SPACE.groups])


def term(name: str, *groups: int) -> Term:
    """A place whose cost no two combinations of its groups' units share."""
    weights = [1.7**i for i in range(1, len(groups) + 1)]

    def value(units: Sequence[int]) -> float:
        return len(name) + sum(w * units[group] for w, group in zip(weights, groups, strict=True))

    return Term(name, tuple(sorted(groups)), value)


# On none, one, two and three groups, with a repeated and a reversed one.
TERMS = (
    term("stem"),
    term("one", 0),
    term("two", 0, 1),
    term("twin", 0, 1),
    term("backwards", 2, 1),
    term("three", 0, 1, 2),
)


def sums(terms: Sequence[Term] = TERMS) -> FloatArray:
    """What every policy costs, added up by hand."""
    return np.array([sum(one.value(row) for one in terms) for row in UNITS.tolist()])


def test_the_cost_is_the_sum_over_all_terms_of_every_policy() -> None:
    model = KernelSum(SPACE, TERMS, scale=1.25, constant=0.5)
    np.testing.assert_allclose(model(GRID), 0.5 + 1.25 * sums(), rtol=1e-12)


def test_crowding_is_that_of_a_whole_network() -> None:
    crowded = KernelSum(SPACE, TERMS, scale=1.25, constant=0.5, crowding=0.1, dense=30.0)
    np.testing.assert_allclose(crowded(GRID), Composition(1.25, 0.1, 0.5, 30.0)(sums()), rtol=1e-12)
    assert (crowded(GRID) != KernelSum(SPACE, TERMS, scale=1.25, constant=0.5)(GRID)).any()


@pytest.mark.parametrize("crowding", [0.0, 0.1])
def test_nothing_but_the_constant_is_left_where_nothing_is_executed(crowding: float) -> None:
    model = KernelSum(SPACE, [Term("gone", (0,), lambda _: 0.0)], constant=0.5, crowding=crowding)
    assert model(GRID).tolist() == [0.5] * len(GRID)


def test_no_policies_cost_nothing() -> None:
    assert KernelSum(SPACE, TERMS)(GRID[:0]).shape == (0,)


@pytest.mark.parametrize("lacking", [one.name for one in TERMS[1:]])
def test_a_term_that_is_not_known_raises_and_never_counts_as_nothing(lacking: str) -> None:
    """Only the policies that need the unknown value raise; the rest is unchanged."""
    whole = next(one for one in TERMS if one.name == lacking)
    missing = [4, 2, 10]

    def value(units: Sequence[int]) -> float:
        if all(units[group] == missing[group] for group in whole.groups):
            raise UnknownKernel(f"no row for {lacking}")
        return whole.value(units)

    model = KernelSum(SPACE, [Term(lacking, whole.groups, value) if one is whole else one for one in TERMS])
    needs = np.equal(UNITS, missing)[:, list(whole.groups)].all(axis=1)
    assert 0 < needs.sum() < len(GRID)
    np.testing.assert_allclose(model(GRID[~needs]), sums()[~needs])
    for policy in GRID[needs]:
        with pytest.raises(UnknownKernel, match=f"no row for {lacking}"):
            model(policy[None])


def test_a_fixed_term_that_is_not_known_raises_at_once() -> None:
    def nothing(_: Sequence[int]) -> float:
        raise UnknownKernel("no row for the stem")

    with pytest.raises(UnknownKernel, match="no row for the stem"):
        KernelSum(SPACE, [Term("stem", (), nothing)])


@pytest.mark.parametrize("width", [-2, 0, 1, 3, 7, 9, 500])
def test_a_width_that_was_not_profiled_is_named(width: int) -> None:
    model = KernelSum(SPACE, TERMS)
    with pytest.raises(UnknownKernel, match=rf"group a: width {width} was not profiled.*\[2, 4, 8\]"):
        model(np.array([[8, 12, 10], [width, 12, 10]]))


def test_a_term_is_looked_up_once_for_every_width_and_never_again() -> None:
    asked: list[int] = []

    def value(units: Sequence[int]) -> float:
        asked.append(units[0])
        return float(units[0])

    model = KernelSum(SPACE, [Term("counting", (0,), value)])
    assert asked == [2, 4, 8]
    model(np.repeat(GRID, 100, axis=0))
    assert asked == [2, 4, 8]


STREAM = Extent(1, ((0, 1), (1, 2), (2, 1)))  # as long as what three groups have added to it
INNER = Extent(0, ((2, 1),))


def stream_term(name: str, asked: list[tuple[int, int]], unknown: int | None = None) -> Term:
    """A place that reads a stream and an inner width; its value is not known where the stream is `unknown` long."""

    def value(units: Sequence[int]) -> float:
        lengths = STREAM.at(units), INNER.at(units)
        asked.append(lengths)
        if lengths[0] == unknown:
            raise UnknownKernel(f"no row for {name}")
        return 1.7 * lengths[0] + 0.3 * lengths[1]

    return Term(name, (0, 1, 2), value, (STREAM, INNER))


def test_a_term_of_many_groups_but_few_lengths_is_looked_up_once_for_each_combination_of_lengths() -> None:
    asked: list[tuple[int, int]] = []
    model = KernelSum(SPACE, [stream_term("stream", asked), *TERMS])
    expected = sums() + np.array([1.7 * STREAM.at(row) + 0.3 * INNER.at(row) for row in UNITS.tolist()])
    for _ in range(2):
        np.testing.assert_allclose(model(GRID), expected, rtol=1e-12)
    assert len(asked) == len(set(asked)) == len({(STREAM.at(row), INNER.at(row)) for row in UNITS.tolist()}) < len(GRID)


def test_a_length_that_is_not_known_raises_whenever_it_is_asked_for() -> None:
    model = KernelSum(SPACE, [stream_term("stream", [], unknown=15)])
    needs = np.array([STREAM.at(row) == 15 for row in UNITS.tolist()])
    assert 0 < needs.sum() < len(GRID)
    assert np.isfinite(model(GRID[~needs])).all()
    for _ in range(2):
        with pytest.raises(UnknownKernel, match="no row for stream"):
            model(GRID)
