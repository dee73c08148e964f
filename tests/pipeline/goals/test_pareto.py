"""Whole fronts from one search, on a tiny network and real digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from autoprune import pipeline
from autoprune.cli import main
from autoprune.cost import CostModel, Metric
from autoprune.deploy.front.document import FrontFile
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput
from autoprune.front import front
from autoprune.pipeline import SearchResult
from autoprune.pipeline.subject import Network
from autoprune.searchers.ledger import Ledger
from autoprune.space import Policy
from autoprune.spec import ModelSpec, RunSpec


def spec(**search: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "tiny",
            "model": {"name": "tiny:tiny_net"},
            "task": {"name": "digits", "calibration": 256, "validation": 128, "selection": 128},
            "search": {"agent": "random", "trials": 40, "reward": "kl", "pareto": True, "levels": 5, **search},
        }
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, SearchResult]:
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    return folder, pipeline.search(spec(minimise=["macs", "size"]), folder.path)


def test_a_front_alone_chooses_nothing(searched: tuple[RunFolder, SearchResult]) -> None:
    folder, result = searched
    assert (result.policy, result.front) == (None, folder.front)
    assert not folder.policy.exists()
    with pytest.raises(BadInput, match=r"add --budget or --floor"):
        pipeline.run(spec(minimise=["macs", "size"]), folder.path)


def test_front_json_follows_its_schema(searched: tuple[RunFolder, SearchResult]) -> None:
    document = json.loads(searched[0].front.read_text())
    jsonschema.validate(document, json.loads(FrontFile.schema_file().read_text()))
    assert FrontFile.schema_file().read_text() == FrontFile.schema_text()
    assert (document["schema"], document["traded"]) == ("autoprune.front/1", ["macs", "size"])


def test_its_points_are_the_trials_that_no_other_beats(searched: tuple[RunFolder, SearchResult]) -> None:
    folder, _ = searched
    found = FrontFile.load(folder.front)
    trials = Ledger(folder.study, "tiny", None).trials()
    expected = front(trials, [Metric.MACS, Metric.SIZE])
    assert [tuple(p.policy.values()) for p in found.points] == [t.policy.widths for t in expected]
    assert [p.validation for p in found.points] == [t.quality.score for t in expected]
    assert all(p.costs == t.cost.known for p, t in zip(found.points, expected, strict=True))
    network = Network.load(ModelSpec(name="tiny:tiny_net"), (1, 8, 8))
    cost = CostModel(network.traced.space, network.traced.counts)
    assert [p.costs[Metric.MACS] for p in found.points] == [
        cost.cost(Policy(tuple(p.policy.values()))).macs for p in found.points
    ]


def test_one_of_each_level_was_refitted_and_the_best_of_them_are_marked(
    searched: tuple[RunFolder, SearchResult],
) -> None:
    found = FrontFile.load(searched[0].front)
    assert 2 <= len(found.refitted) <= 9
    assert {p.best for p in found.refitted} <= {True, False}
    assert all(p.best is None for p in found.points if p.selection is None)
    for one in found.refitted:
        beaten = any(
            other.selection >= one.selection
            and all(other.costs[m] <= one.costs[m] for m in found.traded)
            and (other.selection, other.costs) != (one.selection, one.costs)
            for other in found.refitted
            if other.selection is not None and one.selection is not None
        )
        assert one.best is not beaten
        assert one.selection_ci95 is not None
    assert found.dense.selection is not None
    assert found.dense.selection > 0.8


def test_the_page_draws_it_against_both_costs(searched: tuple[RunFolder, SearchResult]) -> None:
    page = searched[0].front_page.read_text()
    assert page.count("<svg") == 1
    assert all(text in page for text in ("MACs, counted", "size on disk, counted", "autoprune retarget"))


def test_the_same_search_again_scores_nothing_new(searched: tuple[RunFolder, SearchResult]) -> None:
    folder, result = searched
    before = folder.front.read_bytes()
    assert pipeline.search(spec(minimise=["macs", "size"]), folder.path) == result
    assert folder.front.read_bytes() == before


def test_under_a_budget_the_best_policy_is_chosen_too_and_the_report_draws_the_front(tmp_path: Path) -> None:
    report = pipeline.run(spec(budgets=["macs=0.5x"]), tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    found = FrontFile.load(folder.front)
    assert found.traded == (Metric.MACS,)
    assert report.pruned.macs <= 0.5 * report.dense.macs
    assert all(p.costs[Metric.MACS] <= 0.5 * found.dense.costs[Metric.MACS] for p in found.points)
    assert max(p.costs[Metric.MACS] for p in found.points) > 0.35 * found.dense.costs[Metric.MACS]
    page = folder.page.read_text()
    assert "The front: the best trades" in page
    pipeline.report(folder.path)
    assert folder.page.read_text() == page


def test_screen_and_json_show_the_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(spec(trials=12, levels=3).to_toml())
    command = ["search", str(path), "--out", str(tmp_path / "run")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "accuracy against MACs: " in shown
    assert shown.count("×") >= 3
    assert main([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["policy"] is None
    points = document["front"]["points"]
    assert points == sorted(points, key=lambda p: p["costs"]["macs"])
    assert np.isfinite([p["reward"] for p in points]).all()
