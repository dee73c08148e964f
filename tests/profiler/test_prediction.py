from __future__ import annotations

import numpy as np
import pytest

from autoprune.cost import Extent, Kernel, Measurement
from autoprune.errors import UnknownKernel
from autoprune.profiler.extents import Axis, Region
from autoprune.profiler.fitting import KernelTimes
from autoprune.profiler.plan import KernelPlan, PlannedSite, Presence
from autoprune.profiler.prediction import TimedPlan
from autoprune.profiler.stairs import candidate_widths, pareto_widths
from autoprune.space import ChannelGroup, SearchSpace

WIDTHS = (4, 8, 12, 16, 32)


def site(name: str, *axes: Axis, presence: Presence | None = None) -> PlannedSite:
    return PlannedSite(name, name, (axes,), (), presence)


def kernel(op: str, *lengths: int) -> Kernel:
    return Kernel(op, (lengths,), ())


def channels(group: int, block: int = 1) -> Axis:
    return Axis(Extent(0, ((group, 1),)), block)


A = ChannelGroup("a", 32, WIDTHS, ("a",))
B = ChannelGroup("b", 8, (4, 8), ("b",))
SPACE = SearchSpace((A, B))
# Convolutions in blocks of 16, a reorder where the channels are no multiple of 16, one kernel of two groups.
PLAN = KernelPlan(
    (
        site("stem", Axis(Extent(7))),
        site("conv", channels(0, 16)),
        site("reorder", channels(0), presence=Presence(Extent(0, ((0, 1),)), Region(but=Region(step=16)))),
        site("pair", channels(0, 16), channels(1)),
    )
)
CONV_MS = {16: 1.0, 32: 2.0}


def times(spread: float = 0.0) -> dict[Kernel, Measurement]:
    rows = {kernel("stem", 7): 5.0}
    rows |= {kernel("conv", n): ms for n, ms in CONV_MS.items()}
    rows |= {kernel("reorder", n): 0.25 for n in (4, 8, 12)}
    rows |= {kernel("pair", n, b): n * b / 100 for n in (16, 32) for b in (4, 8)}
    return {k: Measurement(ms, spread, 4) for k, ms in rows.items()}


def timed(rows: dict[Kernel, Measurement] | None = None, scale: float = 1.0, constant_ms: float = 0.0) -> TimedPlan:
    return TimedPlan(SPACE, PLAN, KernelTimes(times() if rows is None else rows), scale, constant_ms)


@pytest.mark.parametrize(
    ("widths", "expected"),
    [((32, 8), 5 + 2 + 2.56), ((16, 8), 5 + 1 + 1.28), ((12, 8), 5 + 1 + 0.25 + 1.28), ((4, 4), 5 + 1 + 0.25 + 0.64)],
)
def test_latency_is_the_sum_of_what_is_executed(widths: tuple[int, int], expected: float) -> None:
    assert timed().kernel_sum_ms(widths) == pytest.approx(expected)
    model = timed(scale=1.5, constant_ms=0.5).latency_model()
    assert model(np.array([widths]))[0] == pytest.approx(0.5 + 1.5 * expected)


def test_the_model_may_offer_fewer_widths_than_were_planned() -> None:
    fewer = SPACE.with_widths([(16, 32), (8,)])
    assert timed().latency_model(fewer)(np.array([[16, 8]]))[0] == pytest.approx(7.28)


def test_a_kernel_without_a_time_is_an_error_that_names_it() -> None:
    rows = times()
    del rows[kernel("reorder", 12)]
    model = timed(rows).latency_model()
    assert model(np.array([[8, 8]]))[0] > 0
    with pytest.raises(UnknownKernel, match=r"reorder\(12\)"):
        model(np.array([[12, 8]]))


def test_coverage_tells_measured_from_unknown() -> None:
    assert timed().coverage().measured == 1.0
    rows = times()
    del rows[kernel("stem", 7)]
    part = timed(rows).coverage()
    assert 0 < part.unknown < part.measured
    assert part.measured + part.fitted + part.unknown == pytest.approx(1)


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
