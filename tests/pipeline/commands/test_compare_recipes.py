"""Recipes compared on a small network and real digits, through the front door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

from autoprune.cli import main
from autoprune.deploy.recipes.document import RecipesComparison
from autoprune.errors import AutopruneError, BadInput
from autoprune.pipeline import compare_recipes
from autoprune.progress import Silent
from autoprune.spec import RunSpec

SPEC = RunSpec.parse(
    {
        "name": "small",
        "model": {"name": "narrow:narrow_net"},
        "task": {"name": "digits", "calibration": 64, "validation": 128, "selection": 128},
        "search": {"budgets": ["macs=0.5x"]},
        "recipes": {"epochs": 2, "recovery": 1, "scratch": 2},
    }
)
NAMES = "one-shot,rigl-weights"


class Interrupting(Silent):
    """Is interrupted after the first epoch of `recipe`, once that is kept."""

    def __init__(self, recipe: str) -> None:
        self._recipe, self._here = recipe, False

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._here = name.startswith(self._recipe)
        yield

    def advance(self, done: float, total: float, note: str = "") -> None:  # noqa: ARG002
        if self._here:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes compared: interrupted in the second one's first training, then through the command line."""
    place = tmp_path_factory.mktemp("runs")
    (place / "spec.toml").write_text(SPEC.to_toml())
    with pytest.raises(KeyboardInterrupt):
        compare_recipes(SPEC, NAMES.split(","), place / "out", Interrupting("rigl-weights"))
    assert [row.recipe for row in RecipesComparison.load(place / "out" / "recipes.json").rows] == ["one-shot"]
    assert (place / "out" / "rigl-weights.training" / "pruning.safetensors").is_file()
    assert main(["compare", str(place / "spec.toml"), "--recipes", NAMES, "--out", str(place / "out")]) == 0
    return place / "out"


@pytest.fixture
def found(folder: Path) -> RecipesComparison:
    return RecipesComparison.load(folder / "recipes.json")


def test_the_comparison_follows_its_schema_and_has_its_page(folder: Path) -> None:
    document = json.loads((folder / "recipes.json").read_text())
    jsonschema.validate(document, json.loads(RecipesComparison.schema_file().read_text()))
    assert "<svg" in (folder / "recipes.html").read_text()


def test_every_network_keeps_the_budget_and_runs(found: RecipesComparison) -> None:
    assert [row.recipe for row in found.rows] == ["one-shot", "rigl-weights"]
    for _, line in found.lines:
        assert line.macs <= found.dense_macs / 2
        assert line.parity < 1e-4
        assert line.latency_share is not None
        assert line.after.selection >= line.before.selection  # the start is a candidate


def test_sparse_weights_are_reported_as_what_they_are(found: RecipesComparison) -> None:
    by_name = {row.recipe: line for row, line in found.lines}
    assert by_name["one-shot"].sparse is None
    sparse = by_name["rigl-weights"].sparse
    assert sparse is not None
    assert 0.3 < sparse.sparsity < 0.5
    assert sparse.latency_ms.measured is not None


def test_the_same_again_does_nothing_and_ends_alike(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "recipes.json").read_text()
    command = ["compare", str(folder.parent / "spec.toml"), "--recipes", NAMES, "--json", "--out", str(folder)]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(before)
    assert (folder / "recipes.json").read_text() == before
    assert not list(folder.glob("*.training*"))


def test_an_interrupted_comparison_ends_as_one_that_was_not(
    found: RecipesComparison, folder: Path, tmp_path: Path
) -> None:
    weights = SPEC.model.model_copy(update={"weights": folder / "dense.safetensors"})
    whole = compare_recipes(SPEC.model_copy(update={"model": weights}), ["rigl-weights"], tmp_path / "whole")
    resumed, alone = found.row("rigl-weights"), whole.row("rigl-weights")
    assert resumed is not None
    assert alone is not None
    assert resumed.pruned is not None
    assert alone.pruned is not None
    assert (resumed.pruned.before, resumed.pruned.after) == (alone.pruned.before, alone.pruned.after)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown recipe"):
        compare_recipes(SPEC, ["two-shot"], tmp_path)
    search = SPEC.search.model_copy(update={"pareto": True})
    with pytest.raises(BadInput, match="under budgets alone"):
        compare_recipes(SPEC.model_copy(update={"search": search}), ["all"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_training_that_diverges_is_a_finding(tmp_path: Path) -> None:
    wild = SPEC.recipes.model_copy(update={"learning_rate": 1e11, "clip": None})
    found = compare_recipes(SPEC.model_copy(update={"recipes": wild}), ["elastic-net"], tmp_path)
    [row] = found.rows
    assert row.pruned is None
    assert row.failed is not None
    assert row.failed.startswith("training diverged in epoch 1 ")
    assert not list(tmp_path.glob("*.training"))
    assert "elastic-net did not end: training diverged" in (tmp_path / "recipes.html").read_text()


def test_a_training_that_is_lost_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another machine or another time would not say of the recipe ends the comparison, and is not written down."""

    def lost(*_: object, **__: object) -> None:
        raise AutopruneError("a process of this training was ended by SIGKILL")

    monkeypatch.setattr("autoprune.training.recipes.recipe.fit", lost)
    with pytest.raises(AutopruneError, match="SIGKILL"):
        compare_recipes(SPEC, ["elastic-net"], tmp_path)
    assert not (tmp_path / "recipes.json").exists()
