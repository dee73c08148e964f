"""What retargeting hands over on a real network: fine-tuned as a run's, and tightened where the table was wrong."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from autoprune import pipeline
from autoprune.cli import main
from autoprune.deploy.document.goals import BudgetCheck
from autoprune.deploy.run_folder import RunFolder
from autoprune.models.digits_cnn import digits_cnn
from autoprune.pipeline.costs.table import digest
from autoprune.pipeline.subject import Network
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.spec import RunSpec
from autoprune.tables.reading import read_table

BATCH = 32  # long enough beside what no channel costs
WIDTHS = (16, 32, 64)


def spec(epochs: int) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "digits",
            "model": {"name": "digits_cnn", "options": {"widths": list(WIDTHS)}},
            "task": {"name": "digits", "calibration": 256, "validation": 128, "selection": 384},
            "device": {"seconds": 2, "batch": BATCH},
            "reconstruction": {"steps": 0},  # what it repairs, fine-tuning would not have to
            "finetune": {"epochs": epochs, "batch": 16, "mixup": False},
            "search": {
                "agent": "random", "trials": 20, "reward": "kl", "finalists": 3, "pareto": True, "minimise": "macs"
            },
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def network() -> Network:
    """In shape only: what its tensors hold is not asked here."""
    return Network.of("digits_cnn", digits_cnn(widths=WIDTHS), (1, 8, 8))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A front against MACs, of a spec that asks for fine-tuning."""
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    pipeline.search(spec(epochs=4), folder)
    return folder


@pytest.fixture(scope="module")
def plain(tuned: Path) -> Path:
    """The same search, of a spec that asks for none."""
    folder = tuned.with_name("plain")
    shutil.copytree(tuned, folder)
    RunFolder(folder).spec.write_text(spec(epochs=0).to_toml())
    return folder


def too_fast(table: LatencyTable, network: Network) -> LatencyTable:
    """The table with half the time for every kernel that the dense network does not execute."""
    profile = table.network(digest(network, BATCH))
    dense = set(profile.plan.kernels(network.traced.units))
    rows = tuple(row if row.kernel in dense else dataclasses.replace(row, ms=row.ms / 2) for row in table.rows)
    return dataclasses.replace(table, rows=rows)


def test_the_network_is_fine_tuned_where_the_runs_spec_asks_for_that(plain: Path, tuned: Path, tmp_path: Path) -> None:
    bare = pipeline.retarget(plain, tmp_path / "bare", budgets=["macs=0.25x"])
    assert (bare.finetuned, bare.finetuned_selection_score) == (None, None)
    assert bare.result == bare.pruned
    found = pipeline.retarget(tuned, tmp_path / "tuned", budgets=["macs=0.25x"])
    assert (tmp_path / "bare" / "policy.json").read_bytes() == (tmp_path / "tuned" / "policy.json").read_bytes()
    assert found.finetuned is not None
    assert (found.finetuned.macs, found.finetuned.params) == (found.pruned.macs, found.pruned.params)
    assert found.finetuned.latency_ms.measured is not None
    assert found.result.size_bytes == found.onnx.stat().st_size
    assert found.finetuned_selection_score is not None
    assert found.selection_score == bare.selection_score
    assert bare.selection_score is not None
    assert found.finetuned_selection_score > bare.selection_score  # so few channels leave something to learn
    before, after = load_file(bare.weights), load_file(found.weights)
    assert {name: t.shape for name, t in before.items()} == {name: t.shape for name, t in after.items()}
    assert all(not torch.equal(t, after[name]) for name, t in before.items() if name.endswith("conv1.weight"))


def test_the_screen_shows_the_fine_tuned_network_beside_the_others(
    tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["retarget", str(tuned), "--budget", "macs=0.6x", "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "Fine-tuned" in shown
    assert "finetuned_selection_score" in shown


def test_a_policy_that_is_over_its_budget_when_measured_is_tightened(
    plain: Path, network: Network, tmp_path: Path
) -> None:
    """By a table that takes every pruned kernel for twice as fast, all but the largest networks keep the budget."""
    pipeline.profile(spec(epochs=0).model, spec(epochs=0).device, (BATCH, 1, 8, 8), tmp_path / "table.json")
    too_fast(read_table(tmp_path / "table.json"), network).save(tmp_path / "fast.json")
    limit = 0.6
    found = pipeline.retarget(plain, tmp_path / "tight", budgets=[f"latency={limit}x"], table=tmp_path / "fast.json")
    assert found.relative_latency is not None
    assert found.relative_latency < 0.7 * limit  # the table alone would have been content with a larger one
    check = BudgetCheck.of(found.budgets[0], found.pruned, found.dense)
    assert check.source == "measured"
    assert check.value is not None
    assert check.value <= 1.1 * limit  # measured once more, beside whatever else this machine does
