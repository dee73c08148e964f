from __future__ import annotations

import pytest
from report_example import SPACE, dense_trial, random_trials, report, trial

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.deploy.report import BudgetLine, Energy, Latency
from autoprune.deploy.summary import amount_text, budget_row, networks, rows, score_text, verdict

CHOSEN = random_trials(1)[0]
FOUND = report(CHOSEN)


def line(text: str) -> BudgetLine:
    return BudgetLine.of(Budget.parse(text))


def with_latency(latency: Latency, dense: Latency) -> str:
    pruned = FOUND.pruned.model_copy(update={"latency_ms": latency})
    before = FOUND.dense.model_copy(update={"latency_ms": dense})
    return verdict(FOUND.model_copy(update={"pruned": pruned, "finetuned": None, "dense": before}))


def test_the_verdict_tells_cost_kind_and_both_scores() -> None:
    text = with_latency(Latency(predicted=1, measured=4.0), Latency(predicted=1, measured=8.0))
    assert text == "0.50× the latency (measured), accuracy 90.0% (dense 93.0%)"


def test_the_verdict_says_predicted_where_nothing_was_measured() -> None:
    assert with_latency(Latency(predicted=2.0), Latency(predicted=8.0)).startswith("0.25× the latency (predicted)")


def test_the_verdict_falls_back_to_macs_without_any_latency() -> None:
    share = CHOSEN.cost.macs / dense_trial().cost.macs
    assert with_latency(Latency(), Latency()).startswith(f"{share:.2f}× the MACs (counted)")


@pytest.mark.parametrize(
    ("budget", "asked", "found", "kept"),
    [
        ("latency=8ms", "latency at most 8 ms", "kept: 4.00 ms, measured", True),
        ("latency=2ms", "latency at most 2 ms", "not kept: 4.00 ms, measured, 100% over", False),
        ("latency=0.5x", "latency at most 0.5× the dense network's", "kept: 0.400×, measured", True),
        ("latency=0.39x", "latency at most 0.39× the dense network's", "not kept: 0.400×, measured, 2.6% over", False),
        ("energy=3mJ", "energy at most 3 mJ", "not known: nothing measured or predicted it", None),
    ],
)
def test_a_budget_row_says_asked_found_and_kept(budget: str, asked: str, found: str, kept: bool | None) -> None:
    pruned = FOUND.pruned.model_copy(update={"latency_ms": Latency(predicted=1.0, measured=4.0, spread=0.1)})
    dense = FOUND.dense.model_copy(update={"latency_ms": Latency(predicted=2.0, measured=10.0, spread=0.1)})
    row = budget_row(FOUND.model_copy(update={"pruned": pruned, "dense": dense, "finetuned": None}), line(budget))
    assert (row.asked, row.found, row.kept) == (asked, found, kept)


def test_a_memory_budget_is_checked_by_the_searchs_own_counts() -> None:
    half = trial(0, SPACE.policy([0.5] * 3), 0.9)
    assert budget_row(FOUND, line("memory=0.5x")).kept is None
    assert budget_row(FOUND, line("memory=0.5x"), half, dense_trial()).found == "kept: 0.500×, counted"
    assert budget_row(FOUND, line("memory=0.4x"), half, dense_trial()).kept is False
    assert budget_row(FOUND, line("memory=4kB"), half, dense_trial()).found == "not kept: 4.096 kB, counted, 2.4% over"


def test_rows_hold_one_cell_a_network_and_drop_what_nobody_knows() -> None:
    table = rows(FOUND)
    assert [(row.name, row.kind) for row in table] == [
        ("accuracy", "test split, 95% interval"),
        ("MACs", "counted"),
        ("parameters", "counted"),
        ("latency", "predicted"),
        ("latency", "measured"),
    ]
    assert all(len(row.cells) == len(networks(FOUND)) == 3 for row in table)
    assert [cell.text for cell in table[0].cells] == ["93.0%", "90.0%", "92.0%"]


def test_a_measured_latency_is_never_shown_without_its_spread() -> None:
    measured = rows(FOUND)[-1]
    assert all(cell.notes[0] == "± 0.010 ms" for cell in measured.cells)


def test_energy_has_a_row_for_each_source() -> None:
    dense = FOUND.dense.model_copy(update={"energy_mj": Energy(value=10.0, source="measured")})
    pruned = FOUND.pruned.model_copy(update={"energy_mj": Energy(value=5.0, source="modelled")})
    table = rows(FOUND.model_copy(update={"dense": dense, "pruned": pruned}))
    energy = {row.kind: [cell.text for cell in row.cells] for row in table if row.name == "energy"}
    assert energy == {"measured": ["10.0 mJ", "–", "–"], "modelled": ["–", "5.00 mJ", "–"]}


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
