"""A run whose channels another criterion ranks than the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprune.deploy.policy.document import PolicyFile
from autoprune.errors import BadInput
from autoprune.pipeline import search
from autoprune.pipeline.subject import prepare, pruner_of
from autoprune.progress import Silent
from autoprune.spec import RunSpec


def spec(criterion: str) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "small",
            "model": {"name": "narrow:narrow_net"},
            "task": {"name": "digits", "calibration": 96, "validation": 96, "selection": 96},
            "search": {"budgets": ["macs=0.4x"], "trials": 4, "reward": "kl", "finalists": 1, "criterion": criterion},
        }
    )


def test_the_policy_file_names_the_criterion_and_keeps_its_channels_and_no_other_resumes_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = search(spec("taylor"), out)
    assert result.policy is not None
    file = PolicyFile.load(result.policy)
    assert file.criterion == "taylor"
    own = spec("taylor")
    dense = own.model.model_copy(update={"weights": out / "dense.safetensors"})
    subject = prepare(own.model_copy(update={"model": dense}), None, Silent())
    pruner = pruner_of(own, subject.network, subject.splits)
    kept = pruner.kept(file.policy(subject.network.traced.space))
    assert [group.kept for group in file.groups.values()] == [tuple(units.tolist()) for units in kept]
    with pytest.raises(BadInput, match=r"search\.criterion is 'taylor' there and 'l1' here"):
        search(spec("l1"), out)


def test_a_group_without_an_answer_stops_the_search_before_its_first_trial(tmp_path: Path) -> None:
    bare = spec("bn-gamma").model_copy(
        update={"model": spec("l1").model.model_copy(update={"name": "narrow:plain_net"})}
    )
    with pytest.raises(BadInput, match=r"bn-gamma cannot rank 1: no batch norm .*--keep 1"):
        search(bare, tmp_path / "out")
