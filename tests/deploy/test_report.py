from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_example import IMAGES, dense_trial, random_trials, report

from autoprune.budget import Budget
from autoprune.cost import Cost, Measurement, Metric
from autoprune.deploy.report import (
    SCHEMA_FILE,
    BudgetLine,
    Energy,
    Latency,
    Report,
    Standing,
    wilson_interval,
)
from autoprune.errors import BadInput, CorruptFile

SCHEMA = json.loads(SCHEMA_FILE.read_text())


def example(**changes: Any) -> Report:
    return report(random_trials(1)[0], **changes)


def line(text: str) -> BudgetLine:
    return BudgetLine.of(Budget.parse(text))


def standing(**changes: Any) -> Standing:
    return example().pruned.model_copy(update=changes)


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


def test_the_json_has_exactly_the_documented_keys() -> None:
    document = json.loads(example().to_json())
    counts = {"macs", "params", "peak_memory_bytes", "size_bytes"}
    network = {"score", "score_ci95", "latency_ms", "energy_mj"} | counts
    assert list(document) == [
        *("schema", "model", "task", "metric", "device", "budgets", "floor"),
        *("dense", "pruned", "finetuned", "search", "generalisation", "table", "also", "policy"),
    ]
    assert document["schema"] == "autoprune.report/1"
    assert document["budgets"] == [{"metric": "latency", "limit": 0.9, "relative": True}]
    assert all(set(document[name]) == network for name in ("dense", "pruned", "finetuned"))
    assert set(document["dense"]["latency_ms"]) == {"predicted", "measured", "spread"}
    assert set(document["search"]) == {"agent", "seed", "trials", "seconds", "trials_per_second"}


def test_what_is_not_known_is_null() -> None:
    unknown = standing(latency_ms=Latency(), energy_mj=None, score_ci95=None)
    document = json.loads(example(pruned=unknown, finetuned=None).to_json())
    assert document["finetuned"] is None
    assert document["pruned"]["latency_ms"] == {"predicted": None, "measured": None, "spread": None}
    assert document["pruned"]["energy_mj"] is None
    assert document["pruned"]["score_ci95"] is None
    jsonschema.validate(document, SCHEMA)


def test_the_shipped_schema_is_that_of_the_models() -> None:
    assert SCHEMA_FILE.read_text() == Report.schema_text(), "run autoprune.deploy.report.Report.write_schema()"


@pytest.mark.parametrize("energy", [None, Energy(value=3.5, source="measured")])
def test_a_report_follows_the_schema(energy: Energy | None) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = example(dense=standing(energy_mj=energy)).model_dump(mode="json", by_alias=True)
    jsonschema.validate(document, SCHEMA)


def test_the_schema_refuses_missing_and_foreign_keys() -> None:
    document = example().model_dump(mode="json", by_alias=True)
    for broken in (
        {**document, "remark": "fine"},
        {k: v for k, v in document.items() if k != "finetuned"},
        {**document, "schema": "autoprune.report/2"},
        {**document, "dense": {**document["dense"], "energy_mj": {"value": 1.0, "source": "guessed"}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    example().write(path)
    assert Report.load(path) == example()
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (None, BadInput, "no such file"),
        ('{"schema": "autoprune.report/1", "mo', CorruptFile, "not valid JSON"),
        ("[]", CorruptFile, "expected a JSON object"),
        ('{"schema": "autoprune.report/2"}', BadInput, "report/2"),
        ('{"schema": "autoprune.report/1"}', CorruptFile, "model: Field required"),
    ],
)
def test_what_is_no_report_is_refused_by_name(
    tmp_path: Path, text: str | None, error: type[BadInput], says: str
) -> None:
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=says) as caught:
        Report.load(path)
    assert str(path) in str(caught.value)


def test_a_standing_takes_its_numbers_from_the_nouns() -> None:
    cost = Cost(macs=1e6, params=2000.0, peak_memory_bytes=1.0, latency_ms=2.5, energy_mj=7.0)
    made = Standing.of(0.9, cost, images=IMAGES, measured=Measurement(2.6, 0.1, 30))
    assert (made.macs, made.params, made.score_ci95) == (1_000_000, 2000, wilson_interval(450, 500))
    assert made.latency_ms == Latency(predicted=2.5, measured=2.6, spread=0.1)
    assert made.energy_mj == Energy(value=7.0, source="modelled")


def test_a_standing_knows_nothing_that_it_was_not_given() -> None:
    made = Standing.of(0.9, Cost(macs=1e6, params=2000.0, peak_memory_bytes=1.0))
    assert (made.latency_ms, made.energy_mj, made.score_ci95) == (Latency(), None, None)
    assert made.value(Metric.LATENCY) is None
    assert made.value(Metric.ENERGY) is None
    assert made.value(Metric.SIZE) is None


def test_a_measured_latency_comes_before_a_predicted_one() -> None:
    both = standing(latency_ms=Latency(predicted=2.0, measured=3.0, spread=0.1))
    assert both.value(Metric.LATENCY) == (3.0, "measured")
    assert standing(latency_ms=Latency(predicted=2.0)).value(Metric.LATENCY) == (2.0, "predicted")


def test_a_ratio_never_mixes_measured_with_predicted() -> None:
    both = standing(latency_ms=Latency(predicted=4.0, measured=6.0, spread=0.1))
    only_predicted = standing(latency_ms=Latency(predicted=2.0))
    only_measured = standing(latency_ms=Latency(measured=3.0, spread=0.1))
    found = example(dense=both, finetuned=None)
    assert found.model_copy(update={"pruned": both}).ratio(Metric.LATENCY) == (1.0, "measured")
    assert found.model_copy(update={"pruned": only_predicted}).ratio(Metric.LATENCY) == (0.5, "predicted")
    assert found.model_copy(update={"pruned": only_measured}).ratio(Metric.LATENCY) == (0.5, "measured")
    assert example(dense=only_measured, pruned=only_predicted, finetuned=None).ratio(Metric.LATENCY) is None
    modelled, measured = (
        standing(energy_mj=Energy(value=1.0, source="modelled")),
        standing(energy_mj=Energy(value=1.0, source="measured")),
    )
    assert example(dense=modelled, pruned=measured, finetuned=None).ratio(Metric.ENERGY) is None


def test_the_result_is_the_finetuned_network_where_there_is_one() -> None:
    assert example().result == example().finetuned
    assert example(finetuned=None).result == example().pruned


def test_a_budget_is_checked_against_the_measured_latency() -> None:
    late = example(finetuned=None, pruned=standing(latency_ms=Latency(predicted=1.0, measured=9.0, spread=0.1)))
    assert late.check(line("latency=8ms")).kept is False
    assert late.check(line("latency=9ms")).kept is True
    unmeasured = example(finetuned=None, pruned=standing(latency_ms=Latency(predicted=1.0)))
    check = unmeasured.check(line("latency=8ms"))
    assert (check.kept, check.value, check.source) == (True, 1.0, "predicted")


def test_a_relative_budget_is_checked_against_the_dense_network() -> None:
    chosen = random_trials(1)[0]
    share = chosen.cost.macs / dense_trial().cost.macs
    found = report(chosen)
    assert found.check(BudgetLine(metric=Metric.MACS, limit=share + 1e-6, relative=True)).kept is True
    assert found.check(BudgetLine(metric=Metric.MACS, limit=share - 1e-6, relative=True)).kept is False


def test_a_budget_on_what_nobody_knows_is_neither_kept_nor_broken() -> None:
    assert example().check(line("energy=5mJ")).kept is None
    assert example().check(line("size=0.5x")).kept is None
