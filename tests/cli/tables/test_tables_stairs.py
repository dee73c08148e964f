from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.cli.tables.stairs import bars
from autoprune.profiler.table.stairs import Step

steps_of = st.lists(
    st.tuples(
        st.floats(1e-6, 1e4) | st.just(math.inf),
        st.floats(0, 10),
        st.floats(0, 1),
        st.booleans(),
    ),
    min_size=1,
    max_size=33,
).map(lambda held: [Step(4 * (k + 1), ms, error, between, worth) for k, (ms, error, between, worth) in enumerate(held)])


def length(line: str) -> float:
    """Characters that the bar of a line takes."""
    found = re.search(r"[█▏▎▍▌▋▊▉]+$|░+$", line)
    bar = found[0] if found else ""
    return sum((" ▏▎▍▌▋▊▉".index(c) / 8) if c in "▏▎▍▌▋▊▉" else 1 for c in bar)


@given(steps_of, st.integers(20, 200))
def test_one_line_a_width_the_largest_first_none_too_long(steps: list[Step], columns: int) -> None:
    lines = bars(steps, columns)
    assert [int(line.split()[0]) for line in lines] == [step.width for step in reversed(steps)]
    assert all(len(line) <= columns for line in lines)


@given(steps_of)
def test_marks_tell_without_colour_what_is_worth_offering_and_what_is_interpolated(steps: list[Step]) -> None:
    for line, step in zip(bars(steps, 100), reversed(steps), strict=True):
        assert ("◆" in line) is step.worth_offering
        assert ("~" in line) is (step.interpolated > 0)
        assert ("░" in line) <= (not step.worth_offering)
        assert ("not known" in line) is math.isinf(step.ms)


@given(steps_of)
def test_bars_are_as_long_as_times_are(steps: list[Step]) -> None:
    known = [step for step in steps if math.isfinite(step.ms)]
    lines = dict(zip([step.width for step in reversed(steps)], bars(steps, 120), strict=True))
    longest = max((length(lines[step.width]) for step in known), default=0)
    most = max((step.ms for step in known), default=1)
    for step in known:
        assert length(lines[step.width]) == pytest.approx(longest * step.ms / most, abs=1)


def test_a_stair_reads_like_a_stair() -> None:
    steps = [Step(16, 1.0, 0.01, 0.0, True), Step(20, 2.0, 0.01, 0.5, False), Step(32, 2.0, 0.01, 0.0, True)]
    assert bars(steps, 40) == [
        "32  2.000 ± 0.010 ms   ◆ ███████████████",
        "20  2.000 ± 0.010 ms  ~  ░░░░░░░░░░░░░░░",
        "16  1.000 ± 0.010 ms   ◆ ███████▌",
    ]
