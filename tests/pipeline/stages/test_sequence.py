"""A run that goes on from what its stages have left ends, bit for bit, as one that was never stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from autoprune.deploy.report.document import Report
from autoprune.deploy.run_folder import RunFolder
from autoprune.pipeline.commands.run import claim
from autoprune.pipeline.stages.sequence import STAGES, final_network
from autoprune.progress import Silent
from autoprune.spec import RunSpec

SPEC = RunSpec.parse(
    {
        "name": "narrow",
        "model": {"name": "narrow:narrow_net"},  # its refitted layers get biases that the dense ones do not have
        "task": {"name": "digits", "calibration": 64, "validation": 64, "selection": 64},
        "search": {"budgets": ["macs=0.5x"], "trials": 6, "reward": "kl", "finalists": 2, "agent": "random"},
        "reconstruction": {"steps": 8},
        "finetune": {"epochs": 1, "batch": 64},
    }
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run whose stages were all run on one bench."""
    bench = claim(SPEC, tmp_path_factory.mktemp("runs") / "whole", Silent())
    for work in STAGES.values():
        work(bench)
    return bench.folder


def same_but_for_times(one: Report, other: Report) -> bool:
    def told(report: Report) -> dict[str, Any]:
        tree = report.model_dump(mode="json")
        for name in ("dense", "pruned", "finetuned"):
            tree[name].pop("latency_ms")
        tree["search"] = {key: tree["search"][key] for key in ("agent", "seed", "trials")}
        return tree

    return told(one) == told(other)


def test_stages_on_benches_of_their_own_end_alike(whole: RunFolder, tmp_path: Path) -> None:
    for work in STAGES.values():
        work(claim(SPEC, tmp_path / "run", Silent()))
    folder = RunFolder(tmp_path / "run")
    assert folder.policy.read_bytes() == whole.policy.read_bytes()
    assert folder.weights.read_bytes() == whole.weights.read_bytes()
    assert same_but_for_times(Report.load(folder.report), Report.load(whole.report))


@pytest.mark.parametrize("lost", ["pruned", "finetuned"])
def test_what_a_stage_had_not_left_yet_is_made_again_alike(whole: RunFolder, lost: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(whole.path, folder.path)
    before = whole.left_by(lost).read_bytes()
    folder.left_by(lost).unlink()
    final_network(claim(SPEC, folder.path, Silent()))
    assert lost == "pruned" or folder.left_by(lost).read_bytes() == before
    if lost == "pruned":  # nothing asks for it while the fine-tuned network is there
        folder.left_by("finetuned").unlink()
        final_network(claim(SPEC, folder.path, Silent()))
        assert folder.left_by("pruned").read_bytes() == before


def test_a_search_that_had_not_said_its_last_word_chooses_again(whole: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(whole.path, folder.path)
    folder.chosen.unlink()
    folder.left_by("refitted").write_bytes(b"of another policy")
    STAGES["search"](claim(SPEC, folder.path, Silent()))
    assert folder.policy.read_bytes() == whole.policy.read_bytes()
    assert folder.left_by("refitted").read_bytes() == whole.left_by("refitted").read_bytes()
