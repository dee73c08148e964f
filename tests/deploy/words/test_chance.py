from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.deploy.words.chance import half_width, on_chance, others_told


def test_the_interval_is_that_of_a_binomial_share() -> None:
    assert half_width(0.5, 100) == pytest.approx(1.96 * math.sqrt(0.25 / 100))
    assert half_width(1.0, 100) == 0.0
    assert on_chance(0.5, 100, "it ran once") == (
        "On 100 test images the best score is known to 9.8 points (95%), and it ran once: smaller differences are no "
        "finding."
    )


def test_those_within_the_bests_interval_are_counted() -> None:
    assert others_told([0.9], 100) == ""
    assert others_told([0.9, 0.8], 100) == ""  # 0.9 is known to 5.9 points
    assert others_told([0.9, 0.85, 0.8], 100) == ", another within chance of it"
    assert others_told([0.9, 0.85, 0.845, 0.8], 100) == ", 2 others within chance of it"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.integers(1, 10_000))
def test_more_images_tell_more_networks_apart(scores: list[float], images: int) -> None:
    ranked = sorted(scores, reverse=True)
    few, many = others_told(ranked, images), others_told(ranked, 4 * images)
    assert _counted(many) <= _counted(few) < len(ranked)


def _counted(told: str) -> int:
    return 1 if "another" in told else int(told.split()[1]) if told else 0
