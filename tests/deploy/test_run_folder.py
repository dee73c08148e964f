from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.deploy.run_folder import KeptGroup, PolicyFile, RunFolder
from autoprune.errors import BadInput, CorruptFile
from autoprune.space import ChannelGroup, Policy, SearchSpace
from autoprune.spec import RunSpec

SPACE = SearchSpace(
    (
        ChannelGroup("conv1", 8, (4, 8), ("conv1", "conv2")),
        ChannelGroup("conv2", 16, (4, 8, 16), ("conv2", "fc"), unit=4),
    )
)
KEPT = {"conv1": (0, 2, 3, 7), "conv2": (1, 3)}
FILE = PolicyFile.of("digits_cnn", "sha256:abc", SPACE, KEPT)


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


def test_a_policy_file_tells_width_and_kept_units_of_each_group(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    FILE.write(path)
    document = json.loads(path.read_text())
    assert document == {
        "schema": "autoprune.policy/1",
        "model": "digits_cnn",
        "fingerprint": "sha256:abc",
        "groups": {
            "conv1": {"width": 4, "of": 8, "kept": [0, 2, 3, 7]},
            "conv2": {"width": 8, "of": 16, "kept": [1, 3]},
        },
        "frozen": {},
    }
    assert PolicyFile.load(path) == FILE
    assert FILE.policy(SPACE) == Policy((4, 8))
    FILE.check("sha256:abc", SPACE)


@given(st.data())
def test_any_policy_survives_the_disk(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    units = {g.name: g.width // g.unit for g in SPACE.groups}
    kept = {
        name: tuple(sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1)))) for name, count in units.items()
    }
    path = tmp_path_factory.mktemp("policy") / "policy.json"
    PolicyFile.of("m", "f", SPACE, kept).write(path)
    read = PolicyFile.load(path)
    assert {name: group.kept for name, group in read.groups.items()} == kept
    assert read.policy(SPACE).widths == tuple(len(kept[g.name]) * g.unit for g in SPACE.groups)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (None, BadInput, "no such file"),
        ('{"schema": "autoprune.policy/1", "model"', CorruptFile, "not valid JSON"),
        ("[1, 2]", CorruptFile, "expected a JSON object"),
        ('{"model": "m"}', BadInput, "expected a policy file"),
        ('{"schema": "autoprune.policy/2"}', BadInput, "policy/2"),
        ('{"schema": "autoprune.policy/1", "model": "m"}', CorruptFile, "fingerprint: Field required"),
    ],
)
def test_what_is_no_policy_file_is_refused_by_name(
    tmp_path: Path, text: str | None, error: type[BadInput], says: str
) -> None:
    path = tmp_path / "policy.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=says) as caught:
        PolicyFile.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("group", "says"),
    [
        ({"width": 3, "of": 8, "kept": [0, 1]}, "cannot make up 3 of 8"),
        ({"width": 2, "of": 8, "kept": [1, 0]}, "must ascend"),
        ({"width": 2, "of": 8, "kept": [1, 1]}, "must ascend"),
        ({"width": 2, "of": 8, "kept": [0, 8]}, "kept unit 8 does not exist: there are 8"),
        ({"width": 8, "of": 16, "kept": [0, 4]}, "kept unit 4 does not exist: there are 4"),
        ({"width": 6, "of": 8, "kept": [0, 1]}, "cannot make up 6 of 8"),
        ({"width": 0, "of": 8, "kept": []}, "width"),
        ({"width": 1, "of": 8, "kept": [-1]}, "kept"),
    ],
)
def test_kept_units_that_cannot_be_are_refused(tmp_path: Path, group: dict[str, Any], says: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({**FILE.model_dump(mode="json", by_alias=True), "groups": {"conv1": group}}))
    with pytest.raises(CorruptFile, match=says):
        PolicyFile.load(path)


def test_a_policy_of_another_network_is_refused() -> None:
    conv1, conv2 = SPACE.groups
    wider = ChannelGroup("conv1", 16, (8, 16), conv1.layers)
    finer = ChannelGroup("conv2", 16, (4, 8, 16), conv2.layers)
    for fingerprint, space, says in (
        ("sha256:other", SPACE, "fingerprint sha256:abc, the network given has sha256:other"),
        ("sha256:abc", SearchSpace((conv1,)), "the network has no group 'conv2'"),
        ("sha256:abc", SearchSpace((*SPACE.groups, ChannelGroup("fc", 8, (8,), ()))), "the policy has no group 'fc'"),
        ("sha256:abc", SearchSpace((wider, conv2)), "'conv1' has 8 channels in units of 1, the network's 16"),
        (
            "sha256:abc",
            SearchSpace((conv1, finer)),
            "'conv2' has 16 channels in units of 4, the network's 16 in units of 1",
        ),
    ):
        with pytest.raises(BadInput, match=says):
            FILE.check(fingerprint, space)


def test_a_kept_group_can_keep_everything() -> None:
    assert KeptGroup(width=4, of=4, kept=(0, 1, 2, 3)).kept == (0, 1, 2, 3)
