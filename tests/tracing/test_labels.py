"""Labels: classes that only ever merge, and stay fixed once they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.tracing.labels import NO_LABEL, Labels, aligned, compressed, nonempty, on_axis, varying

N = 12
pairs = st.lists(st.tuples(st.integers(1, N), st.integers(1, N)), max_size=20)


def classes(links: list[tuple[int, int]]) -> list[set[int]]:
    """For each label the set of labels that the links tie it to, by plain repetition."""
    sets = [{i} for i in range(N + 1)]
    for _ in range(N):
        for a, b in links:
            joined = sets[a] | sets[b]
            for member in joined:
                sets[member] = joined
    return sets


@given(pairs)
def test_labels_are_the_same_exactly_if_a_chain_of_links_ties_them(links: list[tuple[int, int]]) -> None:
    labels = Labels()
    own = labels.fresh(N)
    for a, b in links:
        labels.unify(np.array([a]), np.array([b]), "linked")
    roots, expected = labels.find(own), classes(links)
    for i in range(N):
        for j in range(N):
            assert (roots[i] == roots[j]) == (int(own[j]) in expected[int(own[i])])
    assert all(labels.reason(int(label)) is None for label in own)


@given(pairs, st.integers(1, N), st.booleans())
def test_whatever_joins_a_fixed_class_is_fixed(links: list[tuple[int, int]], fixed: int, first: bool) -> None:
    """Whether it is fixed before or after the links are known."""
    labels = Labels()
    own = labels.fresh(N)
    if first:
        labels.fix(np.array([fixed]), "because")
    for a, b in links:
        labels.unify(np.array([a]), np.array([b]), "linked")
    if not first:
        labels.fix(np.array([fixed]), "because")
    tied = classes(links)[fixed]
    assert {int(label) for label in own if labels.reason(int(label)) == "because"} == tied


def test_the_first_reason_stays() -> None:
    labels = Labels()
    own = labels.fresh(2)
    labels.fix(own[:1], "first")
    labels.fix(own, "second")
    assert [labels.reason(int(label)) for label in own] == ["first", "second"]


def test_what_meets_something_without_channels_is_fixed() -> None:
    labels = Labels()
    own = labels.fresh(3)
    labels.unify(own, np.array([NO_LABEL, own[1], NO_LABEL]), "nothing there")
    assert [labels.reason(int(label)) for label in own] == ["nothing there", None, "nothing there"]
    assert labels.find(np.array([NO_LABEL])).tolist() == [NO_LABEL]


def test_unify_broadcasts() -> None:
    labels = Labels()
    table = labels.fresh(6).reshape(2, 3)
    labels.unify(table, table[:1], "rows")
    roots = labels.find(table)
    assert (roots[0] == roots[1]).all()
    assert len(set(roots[0].tolist())) == 3


@pytest.mark.parametrize(
    ("full", "shape"),
    [([[1, 2], [1, 2]], (1, 2)), ([[1, 1], [2, 2]], (2, 1)), ([[1, 2], [2, 1]], (2, 2)), ([[7, 7], [7, 7]], (1, 1))],
)
def test_compressed_drops_the_axes_along_which_nothing_differs(full: list[list[int]], shape: tuple[int, ...]) -> None:
    small = compressed(np.array(full))
    assert small.shape == shape
    np.testing.assert_array_equal(np.broadcast_to(small, (2, 2)), full)


def test_layers_line_up_as_broadcasting_does() -> None:
    layer = on_axis(np.array([4, 5, 6]), 0, 2)
    assert layer.shape == (3, 1)
    assert varying(aligned(layer, 4)) == (2,)
    assert nonempty([layer, np.zeros((1, 1), dtype=np.int64)])[0] is layer
    assert len(nonempty([layer, np.zeros((1, 1), dtype=np.int64)])) == 1
