"""Activations: found again as they were, in so many bytes at most, the longest unused given up first."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from autoprune.evaluation.prefixes.activations import Activations, Images
from autoprune.evaluation.prefixes.resuming import Reached

FIRST, SECOND = (0, 64), (64, 64)
ONE, TWO, THREE = b"one", b"two", b"three"


def reached(floats: int = 10) -> Reached:
    return Reached(torch.zeros(floats), {})


def test_what_is_kept_is_found_under_its_digest_and_batch_alone() -> None:
    activations, own = Activations(1000), reached()
    activations.keep(ONE, FIRST, own, ())
    assert activations.find(ONE, FIRST) is own
    assert activations.find(ONE, SECOND) is None
    assert activations.find(ONE, (0, 63)) is None
    assert activations.find(TWO, FIRST) is None


def test_the_digest_that_was_not_found_for_longest_goes_with_all_its_batches() -> None:
    activations = Activations(160)  # room for four
    for digest, images in ((ONE, FIRST), (ONE, SECOND), (TWO, FIRST), (TWO, SECOND)):
        activations.keep(digest, images, reached(), ())
    assert activations.find(ONE, FIRST) is not None
    activations.keep(THREE, FIRST, reached(), ())
    assert activations.find(TWO, FIRST) is activations.find(TWO, SECOND) is None
    assert activations.find(ONE, SECOND) is not None
    assert activations.find(THREE, FIRST) is not None


def test_what_is_in_use_stays_and_the_new_one_is_not_kept() -> None:
    activations = Activations(80)
    for images in (FIRST, SECOND):
        activations.keep(ONE, images, reached(), (ONE, TWO))
    activations.keep(TWO, FIRST, reached(), (ONE, TWO))
    assert activations.find(TWO, FIRST) is None
    assert activations.find(ONE, FIRST) is not None


def test_a_part_of_a_larger_tensor_counts_as_that() -> None:
    activations = Activations(100)
    activations.keep(ONE, FIRST, Reached(torch.zeros(100)[:10], {}), ())
    assert activations.find(ONE, FIRST) is None


@given(
    room=st.integers(0, 400),
    steps=st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), st.integers(1, 40), st.booleans())),
)
def test_there_is_never_more_than_fits(room: int, steps: list[tuple[str, int, int, bool]]) -> None:
    activations, made = Activations(room), dict[tuple[bytes, Images], Reached]()
    for name, batch, floats, alone in steps:
        key = (name.encode(), (batch, 1))
        if activations.find(*key) is None:
            made[key] = reached(floats)
            activations.keep(*key, made[key], (key[0],) if alone else ())
        kept = {other: found for other in made if (found := activations.find(*other)) is not None}
        assert all(found is made[other] for other, found in kept.items())
        assert sum(found.bytes for found in kept.values()) <= room
