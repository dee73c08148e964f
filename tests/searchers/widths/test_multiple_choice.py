from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autoprune.searchers.widths.multiple_choice import best_choices

Options = list[tuple[int, int]]  # cost and damage of each


def _least(classes: Sequence[Options], capacity: float) -> float:
    """Least damage within `capacity`, by looking at every choice; infinite where there is none."""
    sums = [tuple(map(sum, zip(*choice, strict=True))) for choice in itertools.product(*classes)]
    return min((damage for cost, damage in sums if cost <= capacity), default=np.inf)


def _sums(classes: Sequence[Options], choices: NDArray[np.int64]) -> list[tuple[int, int]]:
    picked = [[options[i] for options, i in zip(classes, choice, strict=True)] for choice in choices]
    return [(sum(c for c, _ in choice), sum(d for _, d in choice)) for choice in picked]


options = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(classes=st.lists(options, min_size=1, max_size=4), room=st.integers(1, 12))
def test_it_is_exact_where_costs_are_whole_parts(classes: list[Options], room: int) -> None:
    """With a part of 1, nothing is rounded: for every capacity the least damage is among the choices."""
    cheapest = sum(min(c for c, _ in o) for o in classes)
    costs = [np.array([c for c, _ in o], dtype=np.float64) for o in classes]
    damages = [np.array([d for _, d in o], dtype=np.float64) for o in classes]
    found = _sums(classes, best_choices(costs, damages, cheapest + room, bins=room))
    for capacity in range(cheapest, cheapest + room + 1):
        assert min(d for c, d in found if c <= capacity) == _least(classes, capacity)
    assert len(set(map(tuple, found))) <= room + 1


@pytest.mark.parametrize("capacity", [-5.0, 3.0])
def test_without_room_the_cheapest_options_are_left(capacity: float) -> None:
    """Of options that cost the same the one of less damage."""
    costs, damages = [np.array([1.0, 1.0, 2.0]), np.array([2.0])], [np.array([5.0, 4.0, 0.0]), np.array([1.0])]
    assert best_choices(costs, damages, capacity, bins=64).tolist() == [[1, 0]]


def test_costs_may_be_below_zero() -> None:
    """As are differences from a policy: only what exceeds the cheapest option takes room."""
    costs, damages = [np.array([-3.0, 0.0]), np.array([-1.0, 0.0])], [np.array([2.0, 0.0]), np.array([3.0, 0.0])]
    found = best_choices(costs, damages, 0.0, bins=8)
    assert [1, 1] in found.tolist()
    assert [0, 1] in best_choices(costs, damages, -3.0, bins=8).tolist()
