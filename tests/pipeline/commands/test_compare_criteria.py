"""Criteria compared on a small network and real digits, through the front door."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autoprune.cli import main
from autoprune.deploy.criteria.document import CriteriaComparison
from autoprune.errors import BadInput
from autoprune.evaluation.evaluator import scores
from autoprune.pipeline import compare_criteria
from autoprune.pipeline.subject import prepare, pruner_of
from autoprune.progress import Silent
from autoprune.space import Policy
from autoprune.spec import RunSpec

NAMES = ("fisher", "l1", "taylor", "obd", "variance", "lasso", "dcp")


def spec(**sections: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "small",
            "model": {"name": "narrow:narrow_net"},
            "task": {"name": "digits", "calibration": 96, "validation": 96, "selection": 96},
            "search": {"budgets": ["macs=0.4x"]},
            "reconstruction": {"steps": 0},
            **sections,
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One criterion of every family compared through the command line."""
    place = tmp_path_factory.mktemp("runs")
    (place / "spec.toml").write_text(spec().to_toml())
    out = place / "out"
    assert main(["compare", str(place / "spec.toml"), "--criteria", ",".join(NAMES), "--out", str(out)]) == 0
    return out


@pytest.fixture
def found(folder: Path) -> CriteriaComparison:
    return CriteriaComparison.load(folder / "criteria.json")


def test_the_comparison_follows_its_schema_and_has_its_page(folder: Path) -> None:
    document = json.loads((folder / "criteria.json").read_text())
    jsonschema.validate(document, json.loads(CriteriaComparison.schema_file().read_text()))
    assert "<svg" in (folder / "criteria.html").read_text()


def test_every_criterion_has_a_network_that_runs_in_onnx_runtime(found: CriteriaComparison) -> None:
    assert [row.criterion for row in found.rows] == list(NAMES)
    for row in found.rows:
        assert row.unanswered is None
        assert row.parity is not None
        assert row.parity < 1e-4
    assert found.stages == ("sliced", "refitted")


def test_a_score_is_that_of_the_network_made_by_hand(found: CriteriaComparison, folder: Path) -> None:
    own = spec()
    weights = own.model.model_copy(update={"weights": folder / "dense.safetensors"})
    taylor = own.search.model_copy(update={"criterion": "taylor"})
    own = own.model_copy(update={"model": weights, "search": taylor})
    subject = prepare(own, None, Silent())
    pruner = pruner_of(own, subject.network, subject.splits)
    small = pruner.apply(Policy(tuple(found.policy.values())))
    row = found.row("taylor", 0)
    assert row is not None
    assert row.refitted is not None
    assert row.refitted.test == float(scores(small, subject.splits.test, subject.task).double().mean())


def test_the_same_again_does_nothing_and_answers_alike(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "criteria.json").read_text()
    command = ["compare", str(folder.parent / "spec.toml"), "--criteria", ",".join(NAMES), "--json"]
    assert main([*command, "--out", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(before)
    assert (folder / "criteria.json").read_text() == before


def test_what_is_done_is_kept_and_the_rest_comes_out_as_undisturbed(
    folder: Path, found: CriteriaComparison, tmp_path: Path
) -> None:
    """As if it had been killed behind the first two rows; then a seed more, which has images of its own."""
    out = tmp_path / "killed"
    shutil.copytree(folder, out)
    found.model_copy(update={"rows": found.rows[:2]}).write(out / "criteria.json")
    again = compare_criteria(spec(), ["l1", "taylor"], 1, out)
    assert again.rows[:2] == found.rows[:2]
    undisturbed = found.row("taylor", 0)
    assert undisturbed is not None
    assert [row.refitted for row in again.rows if row.criterion == "taylor"] == [undisturbed.refitted]
    more = compare_criteria(spec(), ["l1"], 2, out)
    assert [row.seed for row in more.rows if row.criterion == "l1"] == [0, 1]


def test_a_criterion_without_an_answer_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    bare = spec(model={"name": "narrow:plain_net"})
    found = compare_criteria(bare, ["bn-gamma", "l1"], 1, tmp_path / "out")
    assert [line.criterion for line in found.lines] == ["l1"]
    assert "no batch norm" in found.unanswered["bn-gamma"]


def test_recovery_is_gone_through_as_the_spec_asks(tmp_path: Path) -> None:
    whole = spec(reconstruction={"steps": 2, "together": 2}, finetune={"epochs": 1})
    found = compare_criteria(whole, ["random"], 1, tmp_path / "out")
    assert found.stages == ("sliced", "refitted", "reconstructed", "finetuned")


@pytest.mark.parametrize(
    ("names", "seeds", "search", "says"),
    [
        (["nothing"], 1, {}, "there is no criterion 'nothing'"),
        ([], 1, {}, "name the criteria to compare"),
        (["l1"], 0, {}, "at least 1 seed, got 0"),
        (["l1"], 2, {"seed": 2**32 - 1}, r"search\.seed"),
        (["l1"], 1, {"pareto": True}, "budgets alone"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_done(
    names: list[str], seeds: int, search: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=says):
        compare_criteria(spec(search={"budgets": ["macs=0.4x"], **search}), names, seeds, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_agents_and_criteria_are_not_compared_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec.toml").write_text(spec().to_toml())
    for more, says in ((["--agents", "random"], "leave out all but one"), (["--refit"], "leave it out")):
        command = ["compare", str(tmp_path / "spec.toml"), "--criteria", "l1", *more, "--out", str(tmp_path / "out")]
        assert main(command) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
