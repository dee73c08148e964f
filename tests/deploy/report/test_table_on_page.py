from __future__ import annotations

import html
import json
from pathlib import Path

import jsonschema
import pytest
from report_example import SPACE, random_trials, report
from table_example import digest, example_table
from verified_example import example_verification

from autoprune.deploy.report.document import SCHEMA_FILE, Report, TableLine
from autoprune.deploy.report.page import render
from autoprune.errors import BadInput
from autoprune.profiler.table.verification import Verification
from autoprune.tables.words import verdict

TRIALS = random_trials(6)
COMMANDS = ("autoprune tables verify runs/x/table.json --spec runs/x/spec.toml", "autoprune report runs/x")


def with_table(verification: Verification | None) -> Report:
    """A report of a run whose latencies come from the example's table."""
    table = example_table()
    if verification is not None:
        table = table.verified(digest(), verification)
    return report(TRIALS[2], table=TableLine.of(table, digest(), Path("runs/x/table.json")))


def page(found: Report) -> str:
    return render(found, TRIALS, SPACE, verify_with=COMMANDS)


def test_a_verification_is_drawn_with_its_figures_and_the_noise_floor() -> None:
    found = example_verification((0.01, -0.02, 0.2), noise=0.031)
    text = page(with_table(found))
    assert html.escape(verdict(found)) in text
    assert 'aria-label="Predicted against measured latency' in text
    assert "mean 3.1%, largest 3.1% (each network measured twice" in text
    assert all(command not in text for command in COMMANDS)
    assert text == page(with_table(found))


def test_without_a_verification_the_page_says_how_to_get_one() -> None:
    text = page(with_table(None))
    assert "\n".join(COMMANDS) in text
    assert "have not been checked" in text
    assert "Predicted against measured latency" not in text


def test_a_run_without_a_table_says_nothing_of_one() -> None:
    text = page(report(TRIALS[2]))
    assert "The latency table" not in text
    assert COMMANDS[0] not in text


def test_a_path_from_outside_never_becomes_markup() -> None:
    line = TableLine.of(example_table(), digest(), Path("<script>.json"))
    text = render(report(TRIALS[2], table=line), TRIALS, SPACE, verify_with=("<b>",))
    assert "<script>" not in text
    assert "<b>&lt;" not in text
    assert "&lt;b&gt;" in text


@pytest.mark.parametrize("verification", [None, example_verification((0.01, 0.08))], ids=["unverified", "verified"])
def test_the_report_keeps_the_table_and_follows_its_schema(verification: Verification | None, tmp_path: Path) -> None:
    found = with_table(verification)
    found.write(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    jsonschema.validate(content, json.loads(SCHEMA_FILE.read_text()))
    assert Report.load(tmp_path / "report.json") == found
    assert Report.model_validate(content) == found
    line = content["table"]
    assert (line["path"], line["created"], line["interpolated"]) == ("runs/x/table.json", "2026-01-01", 0.0)
    if verification is None:
        assert (line["mape"], line["within_5pct"], line["verification"]) == (None, None, None)
    else:
        assert (line["mape"], line["within_5pct"]) == (pytest.approx(0.045), 0.5)
        assert len(line["verification"]["rows"]) == 2


def test_a_report_from_before_there_was_a_table_in_it_is_read(tmp_path: Path) -> None:
    content = json.loads(report(TRIALS[2]).to_json())
    del content["table"]
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert Report.load(tmp_path / "report.json").table is None


def test_a_table_of_other_networks_has_no_line() -> None:
    with pytest.raises(BadInput, match="does not hold this network"):
        TableLine.of(example_table(), "f" * 16, Path("table.json"))
