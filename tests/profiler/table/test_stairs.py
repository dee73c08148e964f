from __future__ import annotations

import math

import numpy as np
import pytest
from made_up_plan import SPACE, kernel, timed, times

from autoprune.profiler.table.stairs import candidate_widths, cheaper_widths, pareto_widths, stair
from autoprune.space import ChannelGroup


def test_only_the_edges_of_stairs_are_offered() -> None:
    offered = pareto_widths(timed())
    assert offered.groups[0].widths == (16, 32)  # 4, 8 and 12 cost what 16 costs, and a reorder
    assert offered.groups[1].widths == (4, 8)


def test_what_cannot_be_told_from_noise_is_not_offered() -> None:
    assert pareto_widths(timed(times(spread=2.0))).groups[0].widths == (32,)


def test_a_width_without_a_time_is_not_offered() -> None:
    rows = times()
    del rows[kernel("pair", 32, 4)]
    assert pareto_widths(timed(rows)).groups[1].widths == (8,)


@pytest.mark.parametrize(
    ("width", "unit"), [(1, 1), (7, 1), (16, 1), (60, 1), (64, 8), (130, 1), (512, 1), (2048, 32), (4000, 5)]
)
def test_candidates_are_few_multiples_and_end_at_the_dense_width(width: int, unit: int) -> None:
    widths = candidate_widths(ChannelGroup("g", width, (width,), ("g",), unit))
    assert widths[-1] == width
    assert len(widths) <= 33
    assert list(widths) == sorted(set(widths))
    assert all(w % unit == 0 for w in widths)
    if width > 8:
        assert all(w % 4 == 0 for w in widths[:-1])


def test_a_stair_tells_what_each_width_costs_and_which_are_its_edges() -> None:
    steps = stair(timed(), 0)
    assert [step.width for step in steps] == list(SPACE.groups[0].widths)
    at = {step.width: step for step in steps}
    assert at[32].ms == pytest.approx(2 + 2.56)
    assert at[16].ms == pytest.approx(1 + 1.28)
    assert at[4].ms == pytest.approx(1 + 0.25 + 1.28)
    assert [step.width for step in steps if step.worth_offering] == [16, 32]
    assert all(step.interpolated == 0 for step in steps)


def test_a_width_without_a_time_has_an_endless_one() -> None:
    rows = times()
    del rows[kernel("pair", 32, 4)]
    low, high = stair(timed(rows), 1)
    assert math.isinf(low.ms)
    assert not low.worth_offering
    assert high.worth_offering


def test_by_any_other_cost_only_widths_below_all_larger_ones_are_offered() -> None:
    def bumpy(widths: np.ndarray) -> np.ndarray:
        return np.where(widths[:, 0] == 12, 100, widths[:, 0]) + widths[:, 1] * 0.0

    offered = cheaper_widths(SPACE, bumpy)
    assert offered.groups[0].widths == (4, 8, 16, 32)
    assert offered.groups[1].widths == (8,)  # the smaller one saves nothing
