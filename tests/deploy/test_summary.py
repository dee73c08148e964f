from __future__ import annotations

import pytest
from report_example import SPACE, dense_trial, random_trials, report, trial

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.deploy.goals import BudgetLine, FloorLine, OtherDevice, Predicted
from autoprune.deploy.standing import CostLine, Energy, Latency, Standing
from autoprune.deploy.summary import (
    amount_text,
    budget_row,
    cost_rows,
    floor_row,
    generalisation_text,
    goal_rows,
    networks,
    rows,
    score_text,
    verdict,
)

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
    made = FOUND.model_copy(update={"pruned": pruned, "dense": dense, "finetuned": None})
    row = budget_row(made.check(line(budget)))
    assert (row.asked, row.found, row.kept) == (asked, found, kept)


def test_memory_is_counted_and_size_is_measured() -> None:
    half = Standing.scoring(0.9, CostLine.of(trial(0, SPACE.policy([0.5] * 3), 0.9).cost, size_bytes=3000))
    dense = FOUND.dense.model_copy(update={"size_bytes": 4000})
    found = FOUND.model_copy(update={"dense": dense, "pruned": half, "finetuned": None})
    assert budget_row(found.check(line("memory=0.5x"))).found == "kept: 0.500×, counted"
    assert budget_row(found.check(line("memory=0.4x"))).kept is False
    assert budget_row(found.check(line("memory=4kB"))).found == "not kept: 4.096 kB, counted, 2.4% over"
    assert budget_row(found.check(line("size=0.8x"))).found == "kept: 0.750×, measured"
    assert budget_row(found.check(line("size=2kB"))).found == "not kept: 3.000 kB, measured, 50% over"
    assert budget_row(FOUND.check(line("size=0.8x"))).kept is None


FLOOR = FloorLine(
    asked="dense-0.01",
    minimised=Metric.LATENCY,
    least=0.92,
    score=0.925,
    score_ci95=(0.9, 0.945),
    dense=0.93,
    difference_ci95=(-0.012, 0.002),
)
ELSEWHERE = OtherDevice(
    device="Cortex-A76 (1 thread)",
    table="phone.json",
    budgets=(line("latency=0.5x"), line("energy=3mJ")),
    dense=Predicted(latency_ms=10.0, energy_mj=8.0),
    pruned=Predicted(latency_ms=6.0, energy_mj=2.0),
)


def test_a_floor_is_said_with_its_score_and_how_sure_that_is() -> None:
    row = floor_row(FLOOR, "accuracy")
    assert row.asked == "accuracy at least 92.0% (dense-0.01), with the least latency"
    assert row.found == (
        "kept: 92.5% on the selection split, 95% interval 90.0–94.5%; dense 93.0%, difference -1.2% to 0.2%"
    )
    missed = floor_row(FLOOR.model_copy(update={"asked": "0.95", "least": 0.95}), "accuracy")
    assert (missed.asked, missed.kept) == ("accuracy at least 95.0%, with the least latency", False)
    assert missed.found.startswith("not kept: 92.5%")


def test_what_another_device_takes_is_called_predicted() -> None:
    latency, energy = (budget_row(ELSEWHERE.check(b), ELSEWHERE.device) for b in ELSEWHERE.budgets)
    assert latency.asked == "latency on Cortex-A76 (1 thread) at most 0.5× the dense network's"
    assert (latency.found, latency.kept) == ("not kept: 0.600×, predicted, 20% over", False)
    assert (energy.found, energy.kept) == ("kept: 2.00 mJ, modelled", True)
    found = FOUND.model_copy(update={"also": (ELSEWHERE,)})
    row = next(row for row in rows(found) if row.kind == "predicted, Cortex-A76 (1 thread)")
    assert [cell.text for cell in row.cells] == ["10.0 ms", "6.00 ms", "6.00 ms"]


def test_goals_are_budgets_floor_and_other_devices_in_that_order() -> None:
    found = FOUND.model_copy(update={"floor": FLOOR, "also": (ELSEWHERE,)})
    assert [row.kind for row in goal_rows(found)] == ["Budget", "Floor", "Budget", "Budget"]


def test_rows_hold_one_cell_a_network_and_drop_what_nobody_knows() -> None:
    table = rows(FOUND)
    assert [(row.name, row.kind) for row in table] == [
        ("accuracy", "test split, 95% interval"),
        ("MACs", "counted"),
        ("parameters", "counted"),
        ("latency", "predicted"),
        ("latency", "measured"),
        ("activation memory", "counted"),
    ]
    assert all(len(row.cells) == len(networks(FOUND)) == 3 for row in table)
    assert [cell.text for cell in table[0].cells] == ["93.0%", "90.0%", "92.0%"]


def test_costs_that_another_device_s_table_predicts_name_it() -> None:
    costs = CostLine.of(CHOSEN.cost, energy=Energy(value=5.0, source="modelled"))
    assert [(row.name, row.kind) for row in cost_rows([costs, costs], device="A phone")] == [
        ("MACs", "counted"),
        ("parameters", "counted"),
        ("latency", "predicted, A phone"),
        ("energy", "modelled, A phone"),
        ("activation memory", "counted"),
    ]
    assert budget_row(FOUND.check(line("latency=8ms")), "A phone").asked == "latency on A phone at most 8 ms"
    assert budget_row(FOUND.check(line("macs=0.5x")), "A phone").asked.startswith("MACs at most")  # the same anywhere


def test_a_measured_latency_is_never_shown_without_its_spread() -> None:
    [measured] = [row for row in rows(FOUND) if row.kind == "measured"]
    assert all(cell.notes[0] == "± 0.010 ms" for cell in measured.cells)


def test_energy_has_a_row_for_each_source() -> None:
    dense = FOUND.dense.model_copy(update={"energy_mj": Energy(value=10.0, source="measured")})
    pruned = FOUND.pruned.model_copy(update={"energy_mj": Energy(value=5.0, source="modelled")})
    table = rows(FOUND.model_copy(update={"dense": dense, "pruned": pruned}))
    energy = {row.kind: [cell.text for cell in row.cells] for row in table if row.name == "energy"}
    assert energy == {"measured": ["10.0 mJ", "–", "–"], "modelled": ["–", "5.00 mJ", "–"]}


def test_the_chosen_policy_s_scores_are_told_side_by_side() -> None:
    assert FOUND.generalisation is not None
    score = score_text(CHOSEN.quality.score, "accuracy")
    assert generalisation_text(FOUND) == (
        f"the chosen policy scores {score} in the search (validation), 91.0% refitted (selection), 90.0% on the test "
        "split, which chose nothing; the search ranked its 5 finalists with a rank correlation of 0.70 to the "
        "selection split"
    )
    unknown = FOUND.generalisation.model_copy(update={"search": None, "rank_correlation": None})
    assert generalisation_text(FOUND.model_copy(update={"generalisation": unknown})) == (
        "the chosen policy scores 91.0% refitted (selection), 90.0% on the test split, which chose nothing"
    )
    assert generalisation_text(FOUND.model_copy(update={"generalisation": None})) is None


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
