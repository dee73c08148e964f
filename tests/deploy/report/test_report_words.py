from __future__ import annotations

from goals_example import ELSEWHERE, FLOOR
from report_example import dense_trial, random_trials, report

from autoprune.deploy.document.standing import Energy, Latency
from autoprune.deploy.report.words import generalisation_text, goal_rows, networks, rows, verdict
from autoprune.deploy.words.amounts import score_text

CHOSEN = random_trials(1)[0]
FOUND = report(CHOSEN)


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


def test_what_another_device_takes_has_rows_of_its_own() -> None:
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
