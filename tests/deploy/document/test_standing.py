"""Where a network stands: its numbers, which of them counts, and how sure a score is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_example import IMAGES

from autoprune.cost import Cost, Measurement, Metric
from autoprune.deploy.document.standing import CostLine, Energy, Latency, Standing, wilson_interval
from autoprune.errors import BadInput

COST = Cost(macs=1e6, params=2000.0, peak_memory_bytes=1.0)


def costing(**known: object) -> CostLine:
    return CostLine.of(COST).model_copy(update=known)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_agrees_with_published_values(successes: int, trials: int, low: float, high: float) -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000), st.data())
def test_wilson_interval_holds_the_proportion_and_stays_a_proportion(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_interval_refuses_what_is_no_proportion(successes: int, trials: int) -> None:
    with pytest.raises(BadInput, match="successes"):
        wilson_interval(successes, trials)


def test_a_line_takes_its_numbers_from_the_nouns() -> None:
    cost = Cost(macs=1e6, params=2000.0, peak_memory_bytes=1.0, latency_ms=2.5, energy_mj=7.0)
    made = CostLine.of(cost, measured=Measurement(2.6, 0.1, 30), size_bytes=9000)
    assert (made.macs, made.params, made.peak_memory_bytes, made.size_bytes) == (1_000_000, 2000, 1, 9000)
    assert made.latency_ms == Latency(predicted=2.5, measured=2.6, spread=0.1)
    assert made.energy_mj == Energy(value=7.0, source="modelled")
    measured = Energy(value=8.0, source="measured")
    assert CostLine.of(cost, energy=measured).energy_mj == measured


def test_a_line_knows_nothing_that_it_was_not_given() -> None:
    made = CostLine.of(COST)
    assert (made.latency_ms, made.energy_mj) == (Latency(), None)
    assert [made.value(metric) for metric in (Metric.LATENCY, Metric.ENERGY, Metric.SIZE)] == [None] * 3


def test_a_standing_is_a_score_with_its_interval_and_the_costs() -> None:
    costs = costing(size_bytes=9000)
    made = Standing.scoring(0.9, costs, images=IMAGES)
    assert (made.score, made.score_ci95) == (0.9, wilson_interval(450, 500))
    assert made.model_dump(exclude={"score", "score_ci95"}) == costs.model_dump()
    assert list(made.model_dump())[:3] == ["score", "score_ci95", "macs"]
    assert Standing.scoring(0.9, costs).score_ci95 is None


def test_a_measured_latency_comes_before_a_predicted_one() -> None:
    both = costing(latency_ms=Latency(predicted=2.0, measured=3.0, spread=0.1))
    assert both.value(Metric.LATENCY) == (3.0, "measured")
    assert costing(latency_ms=Latency(predicted=2.0)).value(Metric.LATENCY) == (2.0, "predicted")


def test_a_ratio_never_mixes_measured_with_predicted() -> None:
    both = costing(latency_ms=Latency(predicted=4.0, measured=6.0, spread=0.1))
    only_predicted = costing(latency_ms=Latency(predicted=2.0))
    only_measured = costing(latency_ms=Latency(measured=3.0, spread=0.1))
    assert both.ratio(both, Metric.LATENCY) == (1.0, "measured")
    assert only_predicted.ratio(both, Metric.LATENCY) == (0.5, "predicted")
    assert only_measured.ratio(both, Metric.LATENCY) == (0.5, "measured")
    assert only_predicted.ratio(only_measured, Metric.LATENCY) is None
    modelled, measured = (costing(energy_mj=Energy(value=1.0, source=s)) for s in ("modelled", "measured"))
    assert measured.ratio(modelled, Metric.ENERGY) is None
