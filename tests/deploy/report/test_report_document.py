from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from report_example import dense_trial, random_trials, report

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.document.standing import Energy, Latency, Standing
from autoprune.deploy.report.document import SCHEMA_FILE, Report
from autoprune.errors import BadInput, CorruptFile

SCHEMA = json.loads(SCHEMA_FILE.read_text())


def example(**changes: Any) -> Report:
    return report(random_trials(1)[0], **changes)


def line(text: str) -> BudgetLine:
    return BudgetLine.of(Budget.parse(text))


def standing(**changes: Any) -> Standing:
    return example().pruned.model_copy(update=changes)


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
    assert set(document["search"]) == {"agent", "criterion", "seed", "trials", "seconds", "trials_per_second"}


def test_what_is_not_known_is_null() -> None:
    unknown = standing(latency_ms=Latency(), energy_mj=None, score_ci95=None)
    document = json.loads(example(pruned=unknown, finetuned=None).to_json())
    assert document["finetuned"] is None
    assert document["pruned"]["latency_ms"] == {"predicted": None, "measured": None, "spread": None}
    assert document["pruned"]["energy_mj"] is None
    assert document["pruned"]["score_ci95"] is None
    jsonschema.validate(document, SCHEMA)


def test_the_shipped_schema_is_that_of_the_models() -> None:
    assert SCHEMA_FILE.read_text() == Report.schema_text(), "run Report.write_schema()"


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
