"""Thinning: what is left of the cuts fits, or is worth most."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autoprune.evaluation.prefixes.resuming import Cut
from autoprune.evaluation.prefixes.thinning import thinned


def cut(number: int, work: float, size: int) -> Cut:
    return Cut(f"block{number}", (), (), work, size)


@st.composite
def cut_lists(draw: st.DrawFn) -> tuple[Cut, ...]:
    """One to ten cuts, the work before each rising to less than all."""
    steps = draw(st.lists(st.floats(0.01, 1), min_size=2, max_size=11))
    sizes = st.integers(1, 1000)
    work = [done / sum(steps) for done in accumulate(steps)][:-1]
    return tuple(cut(i, w, draw(sizes)) for i, w in enumerate(work))


def spared(cuts: tuple[Cut, ...], room: int) -> float:
    """Work that is spared with one image: the mean over the first of three places where another network differs."""
    firsts = np.random.default_rng(0).random((20000, 3)).min(axis=1)
    work = np.array([0.0, *(c.work for c in cuts)])
    before = work[np.searchsorted(work, firsts, side="right") - 1]
    return min(1.0, room / sum(c.bytes for c in cuts)) * float(before.mean())


@given(cuts=cut_lists(), room=st.integers(1, 3000))
def test_what_is_left_is_worth_at_least_what_was_there(cuts: tuple[Cut, ...], room: int) -> None:
    left = thinned(cuts, 1, room)
    assert left
    assert [c for c in cuts if c in left] == list(left)
    assert spared(left, room) >= spared(cuts, room) - 5e-3
    if sum(c.bytes for c in cuts) <= room:
        assert left == cuts


@given(cuts=cut_lists(), images=st.integers(1, 50), room=st.integers(1, 10**5))
def test_many_images_are_as_little_room(cuts: tuple[Cut, ...], images: int, room: int) -> None:
    assert thinned(cuts, images, images * room) == thinned(cuts, 1, room)


def test_large_answers_that_spare_little_go_first() -> None:
    early, middle, late = cut(0, 0.1, 800), cut(1, 0.4, 100), cut(2, 0.7, 100)
    assert thinned((early, middle, late), 10, 2000) == (middle, late)
    assert thinned((early, middle, late), 10, 10000) == (early, middle, late)


def test_one_cut_is_left_however_little_room_there_is() -> None:
    assert thinned((cut(0, 0.2, 500), cut(1, 0.5, 100)), 1000, 1) == (cut(1, 0.5, 100),)


def test_no_cuts_stay_none() -> None:
    assert thinned((), 1000, 1) == ()
