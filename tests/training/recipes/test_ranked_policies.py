"""One ranking over all channels becomes a policy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import TOY

from autoprune.cost import FloatArray
from autoprune.feasible import FeasibleSet
from autoprune.space import Policy
from autoprune.training.recipes.allocation import allocate, kept_units, loosened

SETS = [TOY.feasible("macs=0.4x"), TOY.feasible("macs=0.9x", "latency=0.5x"), TOY.feasible()]


@st.composite
def rankings(draw: st.DrawFn) -> list[FloatArray]:
    """A score a unit of the toy network: few different ones, so that many are equal."""
    rng, levels = np.random.default_rng(draw(st.integers(0, 1000))), draw(st.integers(1, 200))
    return [rng.integers(0, levels, width).astype(np.float64) for width in TOY.widths]


def one_by_one(scores: list[FloatArray], feasible: FeasibleSet) -> Policy:
    """The same, written down naively: units are taken away one after the other until the budgets hold."""
    units = [
        (score, (sorted(own).index(score) + list(own[:i]).count(score) + 0.5) / len(own), g)
        for g, own in enumerate(scores)
        for i, score in enumerate(own)
    ]
    left = [len(own) for own in scores]
    for _, _, group in [(0, 0, None), *sorted(units)]:
        if group is not None:
            left[group] -= 1
        offered = zip(left, feasible.space.groups, strict=True)
        policy = Policy(tuple(max([w for w in g.widths if w <= n], default=g.widths[0]) for n, g in offered))
        if policy in feasible:
            return policy
    raise AssertionError("the smallest network is feasible")


@pytest.mark.parametrize("feasible", SETS)
@settings(max_examples=20)
@given(scores=rankings())
def test_it_is_what_taking_units_away_one_by_one_gives(feasible: FeasibleSet, scores: list[FloatArray]) -> None:
    assert allocate(scores, feasible) == one_by_one(scores, feasible)


@given(scores=rankings(), share=st.floats(0, 1), more=st.floats(0, 1))
def test_looser_budgets_keep_no_fewer(scores: list[FloatArray], share: float, more: float) -> None:
    """As much as is asked for at 1, nothing at 0, and the policies on the way are nested."""
    few, many = sorted((share, more))
    wide, narrow = (allocate(scores, loosened(SETS[0], part)).widths for part in (few, many))
    assert all(a >= b for a, b in zip(wide, narrow, strict=True))
    assert allocate(scores, loosened(SETS[0], 0.0)) == SETS[0].space.dense()
    assert allocate(scores, loosened(SETS[0], 1.0)) == allocate(scores, SETS[0])


def test_groups_that_cannot_be_told_apart_shrink_alike() -> None:
    policy = allocate([np.zeros(width) for width in TOY.widths], SETS[0])
    shares = SETS[0].space.ratios(policy)
    assert max(shares) - min(shares) <= 1 / 8


@given(scores=rankings())
def test_the_units_kept_are_the_highest(scores: list[FloatArray]) -> None:
    policy = allocate(scores, SETS[0])
    for own, kept, width in zip(scores, kept_units(scores, policy, SETS[0]), policy.widths, strict=True):
        gone = np.setdiff1d(np.arange(len(own)), kept)
        assert len(kept) == width
        assert all(own[a] >= own[b] for a, b in itertools.product(kept, gone))
