from __future__ import annotations

import numpy as np
import pytest
from made_up_plan import SPACE, kernel, timed, times
from table_example import digest, example_plan, example_space, example_table

from autoprune.errors import BadInput, UnknownKernel
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.space import ChannelGroup, SearchSpace


@pytest.mark.parametrize(
    ("widths", "expected"),
    [((32, 8), 5 + 2 + 2.56), ((16, 8), 5 + 1 + 1.28), ((12, 8), 5 + 1 + 0.25 + 1.28), ((4, 4), 5 + 1 + 0.25 + 0.64)],
)
def test_latency_is_the_sum_of_what_is_executed(widths: tuple[int, int], expected: float) -> None:
    assert timed().kernel_sum_ms(widths) == pytest.approx(expected)
    model = timed(scale=1.5, constant_ms=0.5).latency()
    assert model(np.array([widths]))[0] == pytest.approx(0.5 + 1.5 * expected)


def test_the_model_may_offer_fewer_widths_than_were_planned() -> None:
    fewer = SPACE.with_widths([(16, 32), (8,)])
    assert timed().latency(fewer)(np.array([[16, 8]]))[0] == pytest.approx(7.28)


def test_a_kernel_without_a_time_is_an_error_that_names_it() -> None:
    rows = times()
    del rows[kernel("reorder", 12)]
    model = timed(rows).latency()
    assert model(np.array([[8, 8]]))[0] > 0
    with pytest.raises(UnknownKernel, match=r"reorder\(12\)"):
        model(np.array([[12, 8]]))


def test_coverage_tells_measured_from_unknown() -> None:
    assert timed().coverage().measured == 1.0
    rows = times()
    del rows[kernel("stem", 7)]
    part = timed(rows).coverage()
    assert 0 < part.unknown < part.measured
    assert part.measured + part.interpolated + part.unknown == pytest.approx(1)


def test_a_crowded_network_takes_longer_than_its_kernels() -> None:
    widths = np.array([[32, 8], [16, 8], [4, 4]])
    sums = np.array([timed().kernel_sum_ms(row) for row in widths.tolist()])
    crowded = timed(scale=1.1, constant_ms=0.5, crowding=0.2)
    np.testing.assert_allclose(crowded.latency()(widths), crowded.composition(sums))
    assert crowded.composition(sums) == pytest.approx(0.5 + sums * (1.1 + 0.2 * np.log(sums / 10.0)))


def test_a_table_tells_the_latencies_of_its_network_without_any_onnx() -> None:
    found = TimedPlan.of(example_table(), digest(), example_space())
    assert found.plan == example_plan()
    assert found.kernel_sum_ms((24, 8)) == pytest.approx(0.5 + 0.75 + 0.1 + 2.0)
    assert found.kernel_sum_ms((16, 4)) == pytest.approx(0.5 + 0.5 + 0.5)
    assert found.latency()(np.array([[24, 16]]))[0] == pytest.approx(0.1 + 3.35)


def test_a_table_offers_the_widths_it_measured_of_the_groups_it_knows() -> None:
    every = example_space().with_widths([tuple(range(1, 25)), tuple(range(2, 17, 2))])
    assert TimedPlan.of(example_table(), digest(), every).space == example_space()
    wider = SearchSpace((ChannelGroup("inner", 32, (8, 32), ("inner",)), example_space().groups[1]))
    with pytest.raises(BadInput, match="has other channel groups"):
        TimedPlan.of(example_table(), digest(), wider)
    with pytest.raises(BadInput, match=r"does not hold this network at this input \(it holds small at [0-9x]+\)"):
        TimedPlan.of(example_table(), "f" * 16, example_space())
