from __future__ import annotations

import pytest
from goals_example import ELSEWHERE, FLOOR, line
from report_example import SPACE, random_trials, report, trial

from autoprune.deploy.document.standing import CostLine, Latency, Standing
from autoprune.deploy.words.goals import budget_row, floor_row

FOUND = report(random_trials(1)[0])


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


def test_only_what_a_device_takes_names_it() -> None:
    assert budget_row(FOUND.check(line("latency=8ms")), "A phone").asked == "latency on A phone at most 8 ms"
    assert budget_row(FOUND.check(line("macs=0.5x")), "A phone").asked.startswith("MACs at most")  # the same anywhere
