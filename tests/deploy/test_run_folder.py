from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput
from autoprune.spec import RunSpec


def spec(**changes: Any) -> RunSpec:
    tree: dict[str, Any] = {
        "model": {"name": "digits_cnn"},
        "task": {"name": "digits"},
        "search": {"budgets": ["latency=0.5x"], "trials": 10},
    }
    return RunSpec.parse({**tree, **changes})


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_new_folder_holds_its_spec(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path / "runs" / "a", spec())
    assert RunSpec.load(folder.spec) == spec()
    assert listing(folder.path).keys() == {"spec.toml"}


def test_the_same_spec_resumes_and_changes_nothing(tmp_path: Path) -> None:
    folder = RunFolder.claim(tmp_path, spec())
    folder.study.write_bytes(b"trials")
    before = listing(tmp_path)
    assert RunFolder.claim(tmp_path, spec()) == folder == RunFolder.existing(tmp_path)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"search": {"budgets": ["latency=0.5x"], "trials": 20}}, r"search\.trials is 10 there and 20 here"),
        ({"search": {"budgets": ["latency=0.4x"], "trials": 10}}, r"search\.budgets is \['latency=0.5x'\] there"),
        ({"model": {"name": "digits_cnn", "weights": "w.safetensors"}}, r"model\.weights is None there"),
        ({"name": "other", "finetune": {"epochs": 2}}, r"finetune\.epochs is 0 there and 2 here \(and 1 more\)"),
    ],
)
def test_another_spec_is_refused_and_changes_nothing(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    RunFolder.claim(tmp_path, spec())
    before = listing(tmp_path)
    with pytest.raises(BadInput, match=says) as caught:
        RunFolder.claim(tmp_path, spec(**changes))
    assert "--out" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
    assert listing(tmp_path) == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="not empty"):
        RunFolder.claim(tmp_path, spec())
    with pytest.raises(BadInput, match="is a file"):
        RunFolder.claim(tmp_path / "thesis.txt", spec())
    with pytest.raises(BadInput, match="no run's folder"):
        RunFolder.existing(tmp_path)
    assert listing(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_start_that_was_cut_short_can_be_started_again(tmp_path: Path) -> None:
    (tmp_path / ".spec.toml.1a2b3c4d.tmp").write_text('name = "ru')
    assert RunSpec.load(RunFolder.claim(tmp_path, spec()).spec) == spec()


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        RunFolder.claim(tmp_path / "file" / "run", spec())


def test_a_folder_whose_spec_is_broken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text("name = ")
    with pytest.raises(BadInput, match="not valid TOML"):
        RunFolder.claim(tmp_path, spec())


def test_every_file_of_a_run_has_its_documented_name() -> None:
    folder = RunFolder(Path("runs/a"))
    paths = (folder.spec, folder.study, folder.table, folder.policy, folder.model, folder.weights)
    names = ["spec.toml", "study.db", "table.json", "policy.json", "model.onnx", "model.safetensors"]
    assert [p.name for p in (*paths, folder.report, folder.page)] == [*names, "report.json", "report.html"]
    assert all(p.parent == folder.path for p in paths)
