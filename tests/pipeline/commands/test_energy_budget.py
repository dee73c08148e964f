"""Whole runs under a budget on energy, on a tiny network and real digits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from constant_power import ConstantPower

from autoprune import pipeline
from autoprune.cost import Metric
from autoprune.deploy.report.document import SCHEMA_FILE, Report
from autoprune.deploy.report.words import rows, verdict
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BudgetUnreachable
from autoprune.profiler.energy.meter import NoMeter
from autoprune.spec import RunSpec
from autoprune.tables.reading import read_table


def spec(budget: str, **device: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "tiny",
            "model": {"name": "tiny:tiny_net"},
            "task": {"name": "digits", "calibration": 128, "validation": 64, "selection": 64},
            "device": {"seconds": 1, **device},
            "search": {"budgets": [budget], "trials": 6, "reward": "kl", "finalists": 2, "agent": "random"},
        }
    )


def metered(monkeypatch: pytest.MonkeyPatch, meter: ConstantPower | None) -> None:
    """Let every room find `meter`, or none."""

    def find(_: object) -> ConstantPower:
        if meter is None:
            raise NoMeter("this is a test")
        return meter

    for room in ("profiler.energy.energy_model", "pipeline.delivery.measuring"):
        monkeypatch.setattr(f"autoprune.{room}.find_meter", find)


@pytest.fixture(scope="module")
def modelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, Report]]:
    """A run on a machine without a meter; it stays one while the module's tests run."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        metered(patch, None)
        yield folder, pipeline.run(spec("energy=0.5x"), folder.path)


def test_without_a_meter_a_budget_is_kept_by_modelled_energy(modelled: tuple[RunFolder, Report]) -> None:
    folder, report = modelled
    jsonschema.validate(json.loads(folder.report.read_text()), json.loads(SCHEMA_FILE.read_text()))
    assert report.dense.energy_mj is not None
    assert report.pruned.energy_mj is not None
    assert report.dense.energy_mj.source == report.pruned.energy_mj.source == "modelled"
    assert report.pruned.energy_mj.value <= 0.5 * report.dense.energy_mj.value
    assert report.check(report.budgets[0]).kept is True
    energy = read_table(folder.table).energy
    assert (energy.source, energy.why) == ("modelled", "this is a test")


def test_page_and_screen_say_that_it_is_modelled(modelled: tuple[RunFolder, Report]) -> None:
    folder, report = modelled
    page = folder.page.read_text()
    assert "energy, modelled (mJ)" in page
    assert "× the energy (modelled)" in page
    assert "× the energy (modelled)" in verdict(report)
    assert [row.kind for row in rows(report) if row.name == "energy"] == ["modelled"]


def test_the_same_run_again_comes_to_the_same_energy(modelled: tuple[RunFolder, Report]) -> None:
    folder, report = modelled
    assert pipeline.run(spec("energy=0.5x"), folder.path).pruned.energy_mj == report.pruned.energy_mj


def test_an_absolute_budget_is_kept_with_a_table_that_is_given(
    modelled: tuple[RunFolder, Report], tmp_path: Path
) -> None:
    folder, report = modelled
    assert report.dense.energy_mj is not None
    limit_mj = 0.6 * report.dense.energy_mj.value
    found = pipeline.search(spec(f"energy={limit_mj:.9f}mJ", table=folder.table), tmp_path / "run")
    assert found.relative_energy is not None
    assert found.relative_energy <= 0.6 + 1e-6
    assert found.relative_latency is not None


def test_an_energy_that_no_network_is_down_to_is_refused(modelled: tuple[RunFolder, Report], tmp_path: Path) -> None:
    folder, _ = modelled
    with pytest.raises(BudgetUnreachable, match="no policy keeps energy"):
        pipeline.search(spec("energy=0.000000001mJ", table=folder.table), tmp_path / "run")


def test_under_a_meter_the_budget_is_kept_when_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = ConstantPower(watts=20.0, window_s=0.1)
    metered(monkeypatch, meter)
    report = pipeline.run(spec("energy=1000mJ"), tmp_path / "run")  # a clock on a busy machine must not decide it
    energy = read_table(RunFolder(tmp_path / "run").table).energy
    assert (energy.source, energy.meter) == ("measured", "simulated")
    assert meter.windows > energy.networks  # those of the report and of the budget's check
    assert report.dense.energy_mj is not None
    assert report.pruned.energy_mj is not None
    assert report.dense.energy_mj.source == report.pruned.energy_mj.source == "measured"
    after_and_source = report.ratio(Metric.ENERGY)
    assert after_and_source is not None
    assert after_and_source[1] == "measured"
    assert [row.kind for row in rows(report) if row.name == "energy"] == ["measured"]
    assert "(measured)" in verdict(report)
