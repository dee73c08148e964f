from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from autoprune.service.web.drawing.scale import Scale

NUMBERS = st.floats(-1e12, 1e12, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-9)


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.booleans())
def test_every_value_lies_on_the_axis(values: list[float], zero: bool) -> None:
    scale = Scale.of(values, zero=zero)
    assert scale.low < scale.high
    assert all(-1e-6 <= scale.share(value) <= 1 + 1e-6 for value in values)
    assert not zero or scale.low <= 0
    assert 2 <= len(scale.ticks) <= 12


def test_ticks_are_round_numbers() -> None:
    assert [text for _, text in Scale.of([0.13, 0.94]).ticks] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [text for _, text in Scale.of([-3, 1]).ticks] == ["−3", "−2", "−1", "0", "1"]
    assert Scale.of([0, 40000]).ticks[-1][1] == "40,000"


def test_what_is_not_a_number_is_not_on_the_axis() -> None:
    assert Scale.of([math.nan, math.inf]) == Scale.of([0, 1])
