"""Metrics that need no table as budgets, end to end: every trial keeps them, and the report's numbers do too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoprune import pipeline
from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.deploy.report.document import Report
from autoprune.deploy.report.words import goal_rows
from autoprune.deploy.run_folder import RunFolder
from autoprune.searchers.ledger import Ledger
from autoprune.spec import RunSpec

SOURCES = {
    Metric.MACS: "counted",
    Metric.PARAMS: "counted",
    Metric.MEMORY: "counted",
    Metric.SIZE: "measured",
}


def spec(budgets: list[str], **device: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "tiny",
            "model": {"name": "tiny:tiny_net"},
            "task": {"name": "digits", "calibration": 128, "validation": 64, "selection": 64},
            "device": {"seconds": 1, **device},
            "search": {"budgets": budgets, "trials": 5, "reward": "kl", "finalists": 2, "agent": "random"},
        }
    )


def run(folder: Path, *budgets: str) -> Report:
    return pipeline.run(spec(list(budgets)), folder)


@pytest.mark.parametrize("metric", SOURCES)
def test_a_relative_budget_is_kept_by_every_trial_and_in_the_report(metric: Metric, tmp_path: Path) -> None:
    report = run(tmp_path / "run", f"{metric}=0.9x")
    ledger = Ledger(RunFolder(tmp_path / "run").study, "tiny", None)
    assert ledger.dense is not None
    limit = 0.9 * ledger.dense.cost.of(metric)
    assert all(t.cost.of(metric) <= limit for t in ledger.trials())
    [row] = goal_rows(report)
    assert row.kept is True
    assert row.found.endswith(SOURCES[metric])


def test_absolute_budgets_on_all_that_is_counted_hold_together(tmp_path: Path) -> None:
    limits = {Metric.MACS: 100e3, Metric.PARAMS: 6e3, Metric.MEMORY: 4300.0, Metric.SIZE: 28e3}
    report = run(tmp_path / "run", "macs=100k", "params=6k", "memory=4.3kB", "size=28kB")
    assert [str(b) for b in report.budgets] == [str(Budget(m, limit)) for m, limit in limits.items()]
    assert [row.kept for row in goal_rows(report)] == [True] * 4
    found = [report.result.value(metric) for metric in limits]
    assert all(value is not None and value[0] <= limit for value, limit in zip(found, limits.values(), strict=True))
    assert (tmp_path / "run" / "model.onnx").stat().st_size == report.result.size_bytes


def test_the_size_that_was_predicted_is_the_files(tmp_path: Path) -> None:
    report = run(tmp_path / "run", "size=0.7x")
    trials = Ledger(RunFolder(tmp_path / "run").study, "tiny", None).trials()
    chosen = next(t for t in trials if t.policy.widths == tuple(report.policy.values()))
    assert report.pruned.size_bytes is not None
    assert chosen.cost.size_bytes is not None
    assert 0 <= chosen.cost.size_bytes - report.pruned.size_bytes <= 0.01 * report.pruned.size_bytes
    assert np.isclose(report.pruned.peak_memory_bytes or 0, chosen.cost.peak_memory_bytes)
