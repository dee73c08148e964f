"""Floors as text: every documented form, what is refused, and the way back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.errors import BadInput
from autoprune.floor import Floor


@pytest.mark.parametrize(
    ("text", "floor"),
    [
        ("0.91", Floor(0.91)),
        ("91%", Floor(0.91)),
        (".5", Floor(0.5)),
        ("1e-2", Floor(0.01)),
        ("dense-0.01", Floor(0.01, relative=True)),
        (" Dense - 1 % ", Floor(0.01, relative=True)),
        ("dense-0", Floor(0.0, relative=True)),
    ],
)
def test_every_documented_form(text: str, floor: Floor) -> None:
    assert Floor.parse(text) == floor


@pytest.mark.parametrize("text", ["", "-0.01", "dense", "dense+0.1", "dense0.1", "accuracy=0.9", "1.2.3", "0.9x", "%"])
def test_what_is_refused_says_the_value_and_the_way_out(text: str) -> None:
    with pytest.raises(BadInput, match=re.escape(f"as in 0.91, 91%, dense-0.01 or dense-1%; got {text!r}")):
        Floor.parse(text)


@pytest.mark.parametrize("score", [-0.1, float("nan"), float("inf")])
def test_a_floor_is_a_number_that_a_score_can_have(score: float) -> None:
    with pytest.raises(BadInput, match="a floor is a score of 0 or more"):
        Floor(score)


@given(st.floats(1e-6, 1e6), st.booleans())
def test_a_floor_survives_its_text(score: float, relative: bool) -> None:
    again = Floor.parse(str(Floor(score, relative)))
    assert again.relative == relative
    assert again.score == pytest.approx(score, rel=1e-9)


def test_a_relative_floor_is_measured_from_the_dense_network() -> None:
    assert Floor(0.01, relative=True).limit(0.93) == pytest.approx(0.92)
    assert Floor(0.91).limit(0.93) == 0.91
