from __future__ import annotations

import pytest

from autoprune.cost import Metric
from autoprune.deploy.words.amounts import amount_text, score_text


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (125_700_000, Metric.MACS, "125.7 M"),
        (853_018, Metric.PARAMS, "853.0 k"),
        (12, Metric.PARAMS, "12"),
        (4.2, Metric.LATENCY, "4.20 ms"),
        (0.0123, Metric.LATENCY, "0.0123 ms"),
        (1234.5, Metric.LATENCY, "1234 ms"),
        (0, Metric.LATENCY, "0.00 ms"),
        (3_000_000, Metric.MEMORY, "3.000 MB"),
    ],
)
def test_amounts_carry_their_unit_and_their_digits(value: float, metric: Metric, text: str) -> None:
    assert amount_text(value, metric) == text


def test_only_accuracies_are_percentages() -> None:
    assert score_text(0.9272, "accuracy") == "92.7%"
    assert score_text(0.9272, "top-5 accuracy") == "92.7%"
    assert score_text(0.9272, "mean IoU") == "0.9272"
