"""Other budgets and other devices from the trials of one search, on a tiny network and real digits."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from running_study import judged
from safetensors.torch import load_file

from autoprune import pipeline
from autoprune.cli import main
from autoprune.deploy.document.goals import BudgetCheck
from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput, BudgetUnreachable
from autoprune.evaluation.digits import digits
from autoprune.evaluation.evaluator import Evaluator
from autoprune.pipeline.subject import Network
from autoprune.searchers.ledger import Ledger
from autoprune.spec import ModelSpec, RunSpec, TaskSpec
from autoprune.tables.reading import read_table


def spec(**search: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "tiny",
            "model": {"name": "tiny:tiny_net"},
            "task": {"name": "digits", "calibration": 256, "validation": 128, "selection": 128},
            # One image takes microseconds, most of which no channel costs; 64 take long enough for a budget.
            "device": {"seconds": 1, "batch": 64},
            "reconstruction": {"steps": 20},
            "search": {"agent": "random", "trials": 30, "reward": "kl", "finalists": 3, "pareto": True, **search},
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A front against MACs, searched once."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    pipeline.search(spec(minimise="macs"), folder)
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the tiny network on this device."""
    out = tmp_path_factory.mktemp("tables") / "here.json"
    pipeline.profile(ModelSpec(name="tiny:tiny_net"), spec().device, (64, 1, 8, 8), out)
    return out


@pytest.fixture(scope="module")
def table(here: Path) -> Path:
    """The same table, of a device that is not this one."""
    held = read_table(here)
    elsewhere = dataclasses.replace(held.fingerprint, cpu="Another", architecture="other")
    dataclasses.replace(held, fingerprint=elsewhere).save(here.with_name("other.json"))
    return here.with_name("other.json")


def test_the_best_trial_within_the_new_budget_is_chosen(run: Path, tmp_path: Path) -> None:
    found = pipeline.retarget(run, tmp_path / "out", budgets=["macs=0.5x"])
    dense = Ledger(run / "study.db", "tiny", None).dense
    assert dense is not None
    trials = Ledger(run / "study.db", "tiny", None).trials()
    within = [t for t in trials if t.cost.macs <= 0.5 * dense.cost.macs]
    assert (found.trials, found.keeping, found.moved) == (30, len(within), 0)
    assert found.relative_macs is not None
    assert found.relative_macs <= 0.5
    best = sorted((t.reward for t in within), reverse=True)[:3]
    assert found.reward in best
    assert found.selection_score is not None


def test_nothing_is_scored_but_finalists_that_the_run_has_not_judged(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[object] = []
    quality = Evaluator.quality

    def counting(self: Evaluator, model: Any) -> Any:
        scored.append(model)
        return quality(self, model)

    monkeypatch.setattr(Evaluator, "quality", counting)
    study, known = (run / "study.db").read_bytes(), judged(run / "study.db").values()
    found = pipeline.retarget(run, tmp_path / "out", budgets=["macs=0.5x"])
    assert found.keeping > spec().search.finalists
    trials = Ledger(run / "study.db", "tiny", None).trials()
    within = [t for t in trials if t.cost.macs <= 0.5 * found.dense.macs]
    ranked = sorted(within, key=lambda t: t.rank_key, reverse=True)
    finalists = list(dict.fromkeys(t.policy.widths for t in ranked))[: spec().search.finalists]
    in_the_front = [widths for widths in finalists if list(widths) in [one["widths"] for one in known]]
    assert in_the_front
    assert len(scored) == len(finalists) - len(in_the_front)
    assert (run / "study.db").read_bytes() == study


def test_network_and_dense_one_are_measured_here_and_told_as_a_run_tells_them(run: Path, tmp_path: Path) -> None:
    found = pipeline.retarget(run, tmp_path / "out", budgets=["macs=0.5x", "size=0.9x"])
    assert found.predicted_for is None
    for line in (found.dense, found.pruned):
        assert line.latency_ms.predicted is None  # no table was asked for
        assert line.latency_ms.measured is not None
        assert line.latency_ms.spread is not None
    assert found.pruned.size_bytes == found.onnx.stat().st_size
    checks = [BudgetCheck.of(budget, found.pruned, found.dense) for budget in found.budgets]
    assert [(check.kept, check.source) for check in checks] == [(True, "counted"), (True, "measured")]


def test_the_exported_network_is_the_policys(run: Path, tmp_path: Path) -> None:
    found = pipeline.retarget(run, tmp_path / "out", budgets=["macs=0.5x"])
    network = Network.load(ModelSpec(name="tiny:tiny_net"), (1, 8, 8))
    assert found.policy is not None
    groups = PolicyFile.load(found.policy).groups
    small = network.traced.slice(network.model, [np.array(g.kept) for g in groups.values()]).eval()
    small.load_state_dict(load_file(found.weights))
    session = onnxruntime.InferenceSession(found.onnx)
    images, _ = digits().test.batch(torch.arange(64))
    [got] = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    assert np.abs(got - small(images).detach().numpy()).max() <= 1e-4


def test_with_a_table_of_this_device_the_budget_is_kept_when_measured(run: Path, here: Path, tmp_path: Path) -> None:
    found = pipeline.retarget(run, tmp_path / "out", budgets=["latency=0.9x"], table=here)
    assert found.predicted_for is None
    assert found.dense.latency_ms.predicted is not None
    assert found.dense.latency_ms.measured is not None
    check = BudgetCheck.of(found.budgets[0], found.pruned, found.dense)
    assert check.source == "measured"
    assert found.relative_latency is not None
    assert found.relative_latency <= 0.9


def test_the_policy_can_be_applied_and_its_folder_tells_what_it_is_for(run: Path, tmp_path: Path) -> None:
    pipeline.retarget(run, tmp_path / "out", budgets=["macs=0.5x"])
    folder = RunFolder.existing(tmp_path / "out")
    assert [str(b) for b in RunSpec.load(folder.spec).search.budgets] == ["macs=0.5x"]
    model = ModelSpec(name="tiny:tiny_net", weights=RunFolder(run).dense_weights)
    task = TaskSpec(name="digits", calibration=256, validation=64, selection=64)
    applied = pipeline.apply_policy(folder.policy, model, task, tmp_path / "applied")
    assert applied.score is not None
    assert applied.score > 0.6


def test_a_budget_on_another_metric_is_costed_anew(run: Path, tmp_path: Path) -> None:
    found = pipeline.retarget(run, tmp_path / "out", budgets=["size=0.6x", "memory=0.9x"])
    assert found.relative_size is not None
    assert found.relative_memory is not None
    assert found.relative_size <= 0.6
    assert found.relative_memory <= 0.9


def test_a_table_of_another_device_costs_all_trials_anew(run: Path, table: Path, tmp_path: Path) -> None:
    found = pipeline.retarget(run, tmp_path / "out", budgets=["latency=0.95x"], table=table)
    assert found.relative_latency is not None
    assert found.relative_latency <= 0.95
    assert found.predicted_for == "Another (1 thread)"
    for line in (found.dense, found.pruned):
        assert line.latency_ms.predicted is not None
        assert line.latency_ms.measured is None
        assert line.size_bytes is not None
    check = BudgetCheck.of(found.budgets[0], found.pruned, found.dense)
    assert (check.kept, check.source) == (True, "predicted")
    assert found.moved > 0  # trials of a search by MACs have widths that no table knows
    known = {g.name: set(g.widths) for network in read_table(table).networks.values() for g in network.groups}
    widths = {name: group.width for name, group in PolicyFile.load(tmp_path / "out" / "policy.json").groups.items()}
    assert all(width in known[name] for name, width in widths.items())


def test_the_table_of_the_run_need_not_be_this_devices(run: Path, table: Path, tmp_path: Path) -> None:
    """A run that was searched on another machine, whose folder was brought here."""
    brought = tmp_path / "brought"
    shutil.copytree(run, brought)
    shutil.copy(table, RunFolder(brought).table)
    found = pipeline.retarget(brought, tmp_path / "out", budgets=["latency=0.95x"])
    assert found.relative_latency is not None
    assert found.relative_latency <= 0.95


def test_a_floor_is_kept_by_the_cheapest_trial_that_does(run: Path, tmp_path: Path) -> None:
    strict = pipeline.retarget(run, tmp_path / "strict", floor="dense-0.05", minimise="params")
    loose = pipeline.retarget(run, tmp_path / "loose", floor="dense-0.4", minimise="params")
    for found in (strict, loose):
        assert found.floor is not None
        assert found.floor.kept
    assert strict.relative_params is not None
    assert loose.relative_params is not None
    assert loose.relative_params < strict.relative_params


def test_no_trial_within_the_budget_says_what_the_nearest_takes(run: Path, tmp_path: Path) -> None:
    trials = Ledger(run / "study.db", "tiny", None).trials()
    dense = Ledger(run / "study.db", "tiny", None).dense
    assert dense is not None
    least = min(t.cost.macs for t in trials) / dense.cost.macs
    with pytest.raises(BudgetUnreachable, match="none of 30 trials of") as caught:
        pipeline.retarget(run, tmp_path / "out", budgets=[f"macs={least - 0.001}x"])
    offered = str(caught.value).partition("the nearest takes ")[2].split(". ")[0]
    assert pipeline.retarget(run, tmp_path / "out", budgets=[offered]).keeping >= 1


def test_less_than_any_network_costs_is_refused_by_what_the_smallest_does(run: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetUnreachable, match="the smallest network costs"):
        pipeline.retarget(run, tmp_path / "out", budgets=["macs=0.001x"])
    assert not (tmp_path / "out").exists()


def test_a_front_has_no_budget_to_fall_back_on(run: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="give --budget"):
        pipeline.retarget(run, tmp_path / "out")


def test_a_folder_without_trials_is_refused(run: Path, tmp_path: Path) -> None:
    RunFolder.claim(tmp_path / "empty", spec())
    with pytest.raises(BadInput, match="holds no scored trial"):
        pipeline.retarget(tmp_path / "empty", tmp_path / "out", budgets=["macs=0.5x"])
    with pytest.raises(BadInput, match="no run's folder"):
        pipeline.retarget(run / "nowhere", tmp_path / "out", budgets=["macs=0.5x"])
    assert not (tmp_path / "empty" / "study.db").exists()


def test_the_command_names_a_folder_after_what_was_asked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retarget", str(run), "--budget", "macs=0.6x", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert Path(found["folder"]) == run.with_name("tiny-macs0.6x")
    assert (run.with_name("tiny-macs0.6x") / "policy.json").is_file()
    assert found["pruned"]["latency_ms"]["measured"] > 0
    assert found["predicted_for"] is None
    assert main(["retarget", str(run), "--budget", "macs=0.6x"]) == 0
    shown = capsys.readouterr().out
    assert "relative_macs" in shown
    assert "budget: MACs at most 0.6× the dense network's: kept: 0." in shown
    assert re.search(r"latency\s+[\d.]+ ms\s+[\d.]+ ms\s+measured\s+± ", shown)
    assert "predicted" not in shown.replace("predicted_for", "")


def test_the_screen_calls_predicted_what_another_devices_table_says(
    run: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["retarget", str(run), "--budget", "latency=0.95x", "--table", str(table), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert re.search(r"budget: latency on Another \(1 thread\) at most 0.95× .*: kept: 0\.\d+×, predicted", shown)
    assert re.search(r"latency\s+[\d.]+ ms\s+[\d.]+ ms\s+predicted, Another \(1 thread\)", shown)
    assert re.search(r"latency\s+.*\s+measured", shown) is None
