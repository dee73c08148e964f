"""Searches for the least cost down to a floor, on a tiny network and real digits."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tiny import TinyNet

import autoprune
from autoprune import pipeline
from autoprune.deploy.report.document import SCHEMA_FILE, Report
from autoprune.deploy.report.words import goal_rows, verdict
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput, FloorUnreachable
from autoprune.evaluation.digits import digits
from autoprune.searchers.ledger import Ledger
from autoprune.spec import RunSpec, TrainingSpec
from autoprune.training import Data, fit

SPLITS = {"calibration": 256, "validation": 128, "selection": 128}


def spec(floor: str, minimise: str = "macs", **search: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "tiny",
            "model": {"name": "tiny:tiny_net"},
            "task": {"name": "digits", **SPLITS},
            "device": {"seconds": 2, "batch": 64},  # long enough for a smaller network to be a faster one
            "search": {"agent": "random", "trials": 40, "reward": "kl", "floor": floor, "minimise": minimise, **search},
        }
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Report]:
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    return folder, pipeline.run(spec("dense-0.05"), folder.path)


def test_the_floor_is_kept_and_the_report_says_how_surely(finished: tuple[RunFolder, Report]) -> None:
    folder, report = finished
    jsonschema.validate(json.loads(folder.report.read_text()), json.loads(SCHEMA_FILE.read_text()))
    floor = report.floor
    assert floor is not None
    assert (floor.asked, floor.minimised) == ("dense-0.05", "macs")
    assert floor.least == pytest.approx(floor.dense - 0.05)
    assert floor.kept
    assert floor.score_ci95 is not None
    assert floor.score_ci95[0] < floor.score < floor.score_ci95[1]
    low, high = floor.difference_ci95
    assert low <= floor.score - floor.dense <= high
    assert report.budgets == ()


def test_the_search_went_below_what_it_chose(finished: tuple[RunFolder, Report]) -> None:
    folder, report = finished
    trials = Ledger(folder.study, "tiny", None).trials()
    assert len(trials) == 40
    assert report.pruned.macs < 0.7 * report.dense.macs
    assert min(t.cost.macs for t in trials) < report.pruned.macs


def test_page_and_screen_say_floor_score_and_interval(finished: tuple[RunFolder, Report]) -> None:
    folder, report = finished
    [row] = goal_rows(report)
    assert (row.kind, row.kept) == ("Floor", True)
    assert "(dense-0.05), with the least MACs" in row.asked
    assert "on the selection split, 95% interval" in row.found
    assert row.asked in folder.page.read_text()
    assert "the latency (measured), accuracy" in verdict(report)


def test_the_same_run_again_does_nothing_and_ends_alike(finished: tuple[RunFolder, Report]) -> None:
    folder, report = finished
    assert pipeline.run(spec("dense-0.05"), folder.path) == report


def test_a_lower_floor_is_kept_by_a_cheaper_network(finished: tuple[RunFolder, Report], tmp_path: Path) -> None:
    _, report = finished
    found = pipeline.search(spec("dense-0.4"), tmp_path / "run")
    assert found.relative_macs is not None
    assert found.relative_macs < report.pruned.macs / report.dense.macs
    assert found.floor is not None
    assert found.floor.kept
    assert found.selection_score == pytest.approx(found.floor.score)


def test_budgets_hold_under_a_floor_too(tmp_path: Path) -> None:
    found = pipeline.search(spec("dense-0.1", "latency", budgets=["memory=0.9x"]), tmp_path / "run")
    assert found.relative_memory is not None
    assert found.relative_memory <= 0.9
    assert found.relative_latency is not None
    assert found.floor is not None
    assert found.floor.minimised == "latency"


def test_a_floor_above_the_dense_network_says_what_that_scores(tmp_path: Path) -> None:
    with pytest.raises(FloorUnreachable, match=r"no network keeps a score of 1.*the dense one has 0\.\d+.*dense-0.01"):
        pipeline.search(spec("100%"), tmp_path / "run")


def test_a_floor_that_the_budgets_rule_out_names_the_best_that_was_found(tmp_path: Path) -> None:
    with pytest.raises(FloorUnreachable) as caught:
        pipeline.search(spec("dense-0", budgets=["macs=0.08x"]), tmp_path / "run")
    offered = str(caught.value).partition("Set the floor to ")[2].split(" ")[0]
    assert 0 < float(offered) < 0.9
    assert not (tmp_path / "run" / "policy.json").exists()


def test_a_floor_offered_by_the_message_is_reachable(tmp_path: Path) -> None:
    with pytest.raises(FloorUnreachable) as caught:
        pipeline.search(spec("dense-0", budgets=["macs=0.08x"]), tmp_path / "run")
    relative = str(caught.value).partition(" or dense-")[2].split(",")[0]
    assert math.isfinite(float(relative))
    found = pipeline.search(spec(f"dense-{relative}", budgets=["macs=0.08x"]), tmp_path / "again")
    assert found.floor is not None
    assert found.floor.kept


def test_a_metric_that_no_table_knows_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"search\.minimise"):
        pipeline.search(spec("dense-0", "speed"), tmp_path / "run")


def test_prune_takes_a_floor_instead_of_a_budget(tmp_path: Path) -> None:
    wanted = {"floor": "dense-0.1", "minimise": "macs", "trials": 16, "agent": "random", "levels": 4}
    task = digits()
    model = fit(TinyNet(), Data(task.train), TrainingSpec(epochs=3, learning_rate=0.05, batch=64))
    result = autoprune.prune(model, task, (), out=tmp_path / "run", search=wanted, task_options=SPLITS)
    assert result.report.floor is not None
    assert result.report.floor.least > 0.5
    assert result.report.floor.kept
    with pytest.raises(BadInput, match="a front alone chooses no network"):
        autoprune.prune(model, task, (), out=tmp_path / "front", search={"pareto": True})
    assert not (tmp_path / "front").exists()
