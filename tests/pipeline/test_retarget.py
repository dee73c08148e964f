"""Other budgets and other devices from the trials of one search, on a tiny network and real digits."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from autoprune import pipeline
from autoprune.cli import main
from autoprune.deploy.run_folder import PolicyFile, RunFolder
from autoprune.errors import BadInput, BudgetUnreachable
from autoprune.evaluation.evaluator import Evaluator
from autoprune.searchers.ledger import Ledger
from autoprune.spec import ModelSpec, RunSpec, TaskSpec
from autoprune.tables.reading import read_table


def spec(**search: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "tiny",
            "model": {"name": "tiny:tiny_net"},
            "task": {"name": "digits", "calibration": 256, "validation": 128, "selection": 128},
            "device": {"seconds": 1},
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
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the tiny network, of a device that is not this one."""
    folder = tmp_path_factory.mktemp("table")
    network = pipeline.profile(
        ModelSpec(name="tiny:tiny_net"),
        spec().device.model_copy(update={"seconds": 1}),
        (1, 1, 8, 8),
        folder / "t.json",
    )
    held = read_table(network.table)
    elsewhere = dataclasses.replace(held.fingerprint, cpu="Another", architecture="other")
    dataclasses.replace(held, fingerprint=elsewhere).save(folder / "other.json")
    return folder / "other.json"


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


def test_nothing_is_scored_but_the_finalists(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[object] = []
    quality = Evaluator.quality

    def counting(self: Evaluator, model: Any) -> Any:
        scored.append(model)
        return quality(self, model)

    monkeypatch.setattr(Evaluator, "quality", counting)
    study = (run / "study.db").read_bytes()
    pipeline.retarget(run, tmp_path / "out", budgets=["macs=0.5x"])
    assert len(scored) == spec().search.finalists
    assert (run / "study.db").read_bytes() == study


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
    assert main(["retarget", str(run), "--budget", "macs=0.6x"]) == 0
    assert "relative_macs" in capsys.readouterr().out
