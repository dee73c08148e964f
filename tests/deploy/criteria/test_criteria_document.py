"""criteria.json: read back, ordered by the last stage on the selection split."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from criteria_example import NAMES, comparison, row

from autoprune.deploy.criteria.document import CriteriaComparison, CriterionRow
from autoprune.deploy.document.split_scores import SplitScores


def test_the_shipped_schema_is_the_fields() -> None:
    assert CriteriaComparison.schema_file().read_text() == CriteriaComparison.schema_text()


def test_a_file_is_read_back_and_follows_its_schema(tmp_path: Path) -> None:
    found, path = comparison(), tmp_path / "criteria.json"
    found.write(path)
    assert CriteriaComparison.load(path) == found
    jsonschema.validate(json.loads(path.read_text()), json.loads(CriteriaComparison.schema_file().read_text()))


def test_the_best_on_the_selection_split_comes_first_whatever_the_test_says() -> None:
    best, worst = row("best", 5), row("worst", 0)
    lucky = worst.model_copy(update={"refitted": SplitScores(selection=0.5, test=0.99)})
    assert [line.criterion for line in comparison(lucky, best).lines] == ["best", "worst"]
    assert [line.criterion for line in comparison().lines] == list(reversed(NAMES))


def test_means_are_over_the_seeds_and_stages_are_those_gone_through() -> None:
    found = comparison()
    assert found.stages == ("sliced", "refitted")
    [line] = [line for line in found.lines if line.criterion == "l1"]
    assert line.mean("sliced", "selection") == pytest.approx(0.2095)
    assert line.mean("finetuned", "test") is None
    assert line.ranking_seconds == 1.5


def test_a_criterion_without_an_answer_is_no_line_and_is_told() -> None:
    found = comparison(row("l1", 1), CriterionRow(criterion="bn-gamma", seed=0, unanswered="it cannot rank conv1"))
    assert [line.criterion for line in found.lines] == ["l1"]
    assert found.unanswered == {"bn-gamma": "it cannot rank conv1"}
    assert found.row("bn-gamma", 0) is not None
    assert found.row("bn-gamma", 1) is None
