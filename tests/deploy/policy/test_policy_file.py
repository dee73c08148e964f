from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.deploy.policy.document import KeptGroup, PolicyFile
from autoprune.errors import BadInput, CorruptFile
from autoprune.space import ChannelGroup, Policy, SearchSpace

SPACE = SearchSpace(
    (
        ChannelGroup("conv1", 8, (4, 8), ("conv1", "conv2")),
        ChannelGroup("conv2", 16, (4, 8, 16), ("conv2", "fc"), unit=4),
    )
)
KEPT = {"conv1": (0, 2, 3, 7), "conv2": (1, 3)}
FILE = PolicyFile.of("digits_cnn", "sha256:abc", SPACE, KEPT, "taylor")


def test_a_policy_file_tells_width_and_kept_units_of_each_group(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    FILE.write(path)
    document = json.loads(path.read_text())
    assert document == {
        "schema": "autoprune.policy/1",
        "model": "digits_cnn",
        "fingerprint": "sha256:abc",
        "criterion": "taylor",
        "groups": {
            "conv1": {"width": 4, "of": 8, "kept": [0, 2, 3, 7]},
            "conv2": {"width": 8, "of": 16, "kept": [1, 3]},
        },
        "frozen": {},
    }
    assert PolicyFile.load(path) == FILE
    assert FILE.policy(SPACE) == Policy((4, 8))
    FILE.check("sha256:abc", SPACE)


def test_the_shipped_schema_is_that_of_the_file() -> None:
    shipped = PolicyFile.schema_file()
    assert shipped.name == "policy.schema.json"
    assert shipped.read_text() == PolicyFile.schema_text(), "run PolicyFile.write_schema()"
    jsonschema.validate(json.loads(FILE.to_json()), json.loads(shipped.read_text()))


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
        ('{"model": "m"}', BadInput, "expected a file of schema 'autoprune.policy/1', got None"),
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
