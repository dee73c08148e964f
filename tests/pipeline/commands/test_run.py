"""The main job on a tiny network and real digits, through the front door."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from tiny import TinyNet

import autoprune
from autoprune import pipeline
from autoprune.cost import CostModel
from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.report.document import SCHEMA_FILE, Report
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput, BudgetUnreachable, ForeignTable
from autoprune.evaluation.digits import digits
from autoprune.pipeline.subject import Network
from autoprune.progress import Silent
from autoprune.searchers.ledger import Ledger
from autoprune.spec import FinetuneSpec, ModelSpec, RunSpec, TaskSpec, TrainingSpec
from autoprune.tables.reading import read_table
from autoprune.training import Data, fit


def spec(model: str = "tiny:tiny_net", **search: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "tiny",
            "model": {"name": model},
            "task": {"name": "digits", "calibration": 256, "validation": 128, "selection": 128},
            "device": {"seconds": 1},
            "search": {"budgets": ["macs=0.5x"], "trials": 8, "reward": "kl", "finalists": 2, **search},
            "finetune": {"epochs": 1, "batch": 64},
        }
    )


class Stages(Silent):
    """Keeps the names of the stages that were begun."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.seen.append(name)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    pipeline.run(spec(), folder)
    return RunFolder(folder)


def test_a_run_leaves_every_file_of_the_contract(finished: RunFolder) -> None:
    names = {path.name for path in finished.path.iterdir()}
    assert names == {
        "spec.toml", "study.db", "policy.json", "model.onnx", "model.safetensors", "report.json", "report.html",
        "dense.safetensors", "stages",
    }  # fmt: skip


def test_the_report_follows_its_schema_and_keeps_the_budget(finished: RunFolder) -> None:
    report = json.loads(finished.report.read_text())
    jsonschema.validate(report, json.loads(SCHEMA_FILE.read_text()))
    assert report["pruned"]["macs"] <= 0.5 * report["dense"]["macs"]
    assert report["dense"]["score"] > 0.9
    assert report["pruned"]["score"] > 0.6
    assert report["finetuned"]["latency_ms"]["measured"] > 0
    assert report["pruned"]["latency_ms"]["predicted"] is None  # no table was asked for, so nothing is predicted


def test_no_trial_of_the_study_is_over_budget(finished: RunFolder) -> None:
    ledger = Ledger(finished.study, "tiny", None)
    assert ledger.dense is not None
    trials = ledger.trials()
    assert [t.number for t in trials] == list(range(8))
    assert all(t.cost.macs <= 0.5 * ledger.dense.cost.macs for t in trials)


def test_the_exported_network_is_the_policys(finished: RunFolder) -> None:
    network = Network.load(ModelSpec(name="tiny:tiny_net"), (1, 8, 8))
    file = PolicyFile.load(finished.policy)
    small = network.traced.slice(network.model, [np.array(g.kept) for g in file.groups.values()])
    small.load_state_dict(load_file(finished.weights))
    images, _ = digits().test.batch(torch.arange(32))
    session = onnxruntime.InferenceSession(finished.model)
    for image in torch.split(images, 1):
        [got] = session.run(None, {session.get_inputs()[0].name: image.numpy()})
        assert np.abs(got - small.eval()(image).detach().numpy()).max() <= 1e-4
    counted = CostModel(network.traced.space, network.traced.counts).cost(file.policy(network.traced.space))
    assert counted.params == sum(p.numel() for p in small.parameters())


def test_the_page_can_be_written_again(finished: RunFolder) -> None:
    before = finished.page.read_text()
    finished.page.unlink()
    report = pipeline.report(finished.path)
    assert report.search.trials == 8
    assert finished.page.read_text() == before


def test_the_same_run_again_does_nothing_and_ends_alike(finished: RunFolder) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}
    report = pipeline.run(spec(), finished.path)
    assert report == Report.load(finished.report)
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")} == before


def test_a_folder_of_another_spec_is_left_alone(finished: RunFolder) -> None:
    before = {p: p.read_bytes() for p in finished.path.rglob("*") if p.is_file()}
    with pytest.raises(BadInput, match="another spec"):
        pipeline.run(spec(seed=1), finished.path)
    assert {p: p.read_bytes() for p in finished.path.rglob("*") if p.is_file()} == before


def test_a_policy_is_applied_with_and_without_images(finished: RunFolder, tmp_path: Path) -> None:
    model = ModelSpec(name="tiny:tiny_net", weights=finished.dense_weights)
    task = TaskSpec(name="digits", calibration=256, validation=64, selection=64)
    with_images = pipeline.apply_policy(finished.policy, model, task, tmp_path / "refitted")
    assert with_images.refitted
    assert with_images.score is not None
    assert with_images.score > 0.6
    assert with_images.onnx.is_file()
    with pytest.raises(BadInput, match="fingerprint"):
        pipeline.apply_policy(finished.policy, ModelSpec(name="tiny:tiny_net"), task, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_latency_budget_is_kept_when_measured_and_its_table_is_the_devices(tmp_path: Path) -> None:
    asked = spec().model_copy(update={"finetune": spec().finetune.model_copy(update={"epochs": 0})})
    asked = asked.model_copy(update={"search": spec(budgets=["latency=0.9x"], trials=4).search})
    # One image takes microseconds, most of which no channel costs; 64 take long enough for a budget to be about.
    asked = asked.model_copy(update={"device": asked.device.model_copy(update={"batch": 64})})
    report = pipeline.run(asked, tmp_path / "run")
    assert report.finetuned is None
    assert report.pruned.latency_ms.predicted is not None
    assert report.dense.latency_ms.predicted is not None
    assert report.pruned.latency_ms.predicted <= 0.9 * report.dense.latency_ms.predicted + 1e-9
    table = read_table(tmp_path / "run" / "table.json")
    elsewhere = dataclasses.replace(table.fingerprint, cpu="another")
    dataclasses.replace(table, fingerprint=elsewhere).save(tmp_path / "foreign.json")
    device = {"table": tmp_path / "foreign.json"}
    foreign = asked.model_copy(update={"device": asked.device.model_copy(update=device)})
    with pytest.raises(ForeignTable, match="--allow-foreign-table"):
        pipeline.search(foreign, tmp_path / "refused")
    allowed = foreign.model_copy(
        update={"device": foreign.device.model_copy(update={"allow_foreign_table": True, "seconds": 2})}
    )
    assert pipeline.search(allowed, tmp_path / "allowed").relative_latency is not None


def test_a_group_that_is_to_be_kept_stays_whole(tmp_path: Path) -> None:
    found = pipeline.search(spec(keep="conv2", budgets=["macs=0.7x"]), tmp_path / "run")
    assert found.relative_macs is not None
    assert found.relative_macs <= 0.7
    assert found.policy is not None
    assert PolicyFile.load(found.policy).groups["conv2"].width == 24


@pytest.mark.parametrize("model", ["digits_cnn", "tiny:tiny_net"])
def test_a_mistyped_group_to_keep_is_told_before_the_dense_network_is_trained(model: str, tmp_path: Path) -> None:
    stages = Stages()
    with pytest.raises(BadInput, match="'conv7' is no channel group to keep whole; there are"):
        pipeline.run(spec(model, keep=["conv1", "conv7"]), tmp_path / "run", stages)
    assert stages.seen == ["loading", "tracing"]
    assert not (tmp_path / "run" / "dense.safetensors").exists()


def test_a_mistyped_group_of_a_module_from_memory_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    stages = Stages()
    with pytest.raises(BadInput, match="'conv7' is no channel group"):
        autoprune.prune(
            TinyNet(),
            digits(),
            budget="latency=0.9x",
            out=tmp_path / "run",
            progress=stages,
            search={"keep": ["conv7"]},
        )
    assert stages.seen == []


def test_devices_that_are_not_there_are_told_of_before_anything_is_made(tmp_path: Path) -> None:
    asked = spec().model_copy(update={"finetune": FinetuneSpec(epochs=1, devices=100_000)})
    with pytest.raises(BadInput, match="devices = 100000, but there are"):
        pipeline.run(asked, tmp_path / "run")
    with pytest.raises(BadInput, match="devices = 100000, but there are"):
        autoprune.prune("tiny:tiny_net", "digits", out=tmp_path / "run", finetune={"epochs": 1, "devices": 100_000})
    assert not (tmp_path / "run").exists()


def test_an_unreachable_budget_says_what_the_smallest_network_costs(tmp_path: Path) -> None:
    with pytest.raises(BudgetUnreachable, match="smallest network costs"):
        pipeline.search(spec(budgets=["macs=0.001x"]), tmp_path / "run")
    assert not (tmp_path / "run" / "policy.json").exists()


def test_a_network_that_answers_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="NaN"):
        pipeline.search(spec("tiny:broken_net"), tmp_path / "run")


def test_a_network_without_a_hidden_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no prunable channel group"):
        pipeline.search(spec("tiny:rigid_net"), tmp_path / "run")


def test_prune_takes_a_module_and_a_task_from_memory(tmp_path: Path) -> None:
    task = digits()
    model = fit(TinyNet(), Data(task.train), TrainingSpec(epochs=3, learning_rate=0.05, batch=64))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = autoprune.prune(
        model, task, budget="macs=0.6x", out=tmp_path / "run", search={"trials": 3, "agent": "random"}
    )
    assert sum(p.numel() for p in result.module.parameters()) < sum(p.numel() for p in model.parameters())
    assert result.report.pruned.macs <= 0.6 * result.report.dense.macs
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
