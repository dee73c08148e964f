"""Budgets as text: every documented form, what is refused, and the way back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.budget import Budget
from autoprune.cost import Cost, Metric
from autoprune.errors import BadInput

DENSE = Cost(macs=2e6, params=1e5, peak_memory_bytes=4096, latency_ms=10.0)


@pytest.mark.parametrize(
    ("text", "metric", "limit", "relative"),
    [
        ("latency=0.5x", Metric.LATENCY, 0.5, True),
        ("latency=8ms", Metric.LATENCY, 8, False),
        ("latency=8", Metric.LATENCY, 8, False),
        ("latency=250us", Metric.LATENCY, 0.25, False),
        ("latency=0.1s", Metric.LATENCY, 100, False),
        ("macs=50%", Metric.MACS, 0.5, True),
        ("macs=60M", Metric.MACS, 60e6, False),
        ("macs=1.5G", Metric.MACS, 1.5e9, False),
        ("macs=2e9", Metric.MACS, 2e9, False),
        ("macs=2e+9", Metric.MACS, 2e9, False),
        ("params=200k", Metric.PARAMS, 200e3, False),
        ("memory=4MiB", Metric.MEMORY, 4 * 2**20, False),
        ("memory=4MB", Metric.MEMORY, 4e6, False),
        ("size=1MB", Metric.SIZE, 1e6, False),
        ("size=512KiB", Metric.SIZE, 512 * 2**10, False),
        ("size=0.5x", Metric.SIZE, 0.5, True),
        ("energy=30mJ", Metric.ENERGY, 30, False),
        ("energy=2J", Metric.ENERGY, 2000, False),
        ("energy=250uJ", Metric.ENERGY, 0.25, False),
        (" Latency = 8 ms ", Metric.LATENCY, 8, False),
    ],
)
def test_every_documented_form(text: str, metric: Metric, limit: float, relative: bool) -> None:
    budget = Budget.parse(text)
    assert (budget.metric, budget.relative) == (metric, relative)
    assert budget.limit == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency", "METRIC=LIMIT, as in latency=0.5x, latency=8ms or macs=60M; got 'latency'"),
        ("", "METRIC=LIMIT"),
        ("latency=fast", "METRIC=LIMIT"),
        ("latency=-3ms", "METRIC=LIMIT"),
        ("speed=3", "unknown budget metric 'speed'; choose from macs, params, latency, energy, memory, size"),
        ("latency=3MB", "unknown unit 'mb' in 'latency=3MB'; latency takes x, %, ms, us, s"),
        ("macs=3ms", "unknown unit 'ms'"),
        ("latency=1.2.3ms", "is a number, got '1.2.3' in 'latency=1.2.3ms'"),
        ("latency=150%", "relative budget lies in (0, 1], got latency=1.5x"),
        ("macs=2x", "relative budget lies in (0, 1], got macs=2.0x"),
        ("latency=0ms", "must be positive, got latency=0.0"),
        ("macs=1e999", "must be positive, got macs=inf"),
    ],
)
def test_what_is_refused_says_the_value_and_the_way_out(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=re.escape(message)):
        Budget.parse(text)


@given(st.sampled_from(Metric), st.floats(1e-6, 1e15))
def test_an_absolute_budget_survives_its_text(metric: Metric, limit: float) -> None:
    again = Budget.parse(str(Budget(metric, limit)))
    assert (again.metric, again.relative) == (metric, False)
    assert again.limit == pytest.approx(limit, rel=1e-9)


@given(st.sampled_from(Metric), st.floats(1e-6, 1))
def test_a_relative_budget_survives_its_text(metric: Metric, limit: float) -> None:
    again = Budget.parse(str(Budget(metric, limit, relative=True)))
    assert (again.metric, again.relative) == (metric, True)
    assert again.limit == pytest.approx(limit, rel=1e-9)


def test_a_relative_budget_becomes_a_share_of_the_dense_cost() -> None:
    assert Budget.parse("latency=0.25x").absolute(DENSE) == Budget(Metric.LATENCY, 2.5)
    assert Budget.parse("macs=50%").absolute(DENSE) == Budget(Metric.MACS, 1e6)


def test_an_absolute_budget_stays_as_it_is() -> None:
    budget = Budget.parse("latency=3ms")
    assert budget.absolute(DENSE) is budget


def test_a_relative_budget_on_an_unknown_metric_names_the_way_out() -> None:
    with pytest.raises(BadInput, match=r"energy is not known.*autoprune profile"):
        Budget.parse("energy=0.5x").absolute(DENSE)
