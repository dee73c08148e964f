"""One policy for several devices: each keeps its budgets by its own table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autoprune import pipeline
from autoprune.deploy.comparison.document import Comparison
from autoprune.deploy.report.document import SCHEMA_FILE
from autoprune.deploy.report.words import goal_rows, rows
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput, BudgetUnreachable
from autoprune.pipeline.costs.costing import cost_policies
from autoprune.pipeline.subject import Network
from autoprune.profiler.table.network_profile import NetworkProfile
from autoprune.progress import Silent
from autoprune.searchers.ledger import Ledger
from autoprune.spec import DeviceSpec, ModelSpec, RunSpec
from autoprune.tables.reading import read_table


def spec(*also: str, **search: Any) -> RunSpec:
    there = (text.partition(":") for text in also)
    return RunSpec.parse(
        {
            "name": "tiny",
            "model": {"name": "tiny:tiny_net"},
            "task": {"name": "digits", "calibration": 128, "validation": 64, "selection": 64},
            # One image takes microseconds, most of which no channel costs; 64 take long enough for a budget.
            "device": {"seconds": 1, "batch": 64},
            "also": [{"table": table, "budgets": budgets.split(","), "batch": 64} for table, _, budgets in there],
            "search": {"agent": "random", "trials": 12, "reward": "kl", "finalists": 2, **search},
        }
    )


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """here.json, a table of this device; far.json, the same of another; sparse.json, which offers fewer widths."""
    folder = tmp_path_factory.mktemp("tables")
    pipeline.profile(
        ModelSpec(name="tiny:tiny_net"), DeviceSpec(seconds=1, batch=64), (64, 1, 8, 8), folder / "here.json"
    )
    table = read_table(folder / "here.json")
    fingerprint = dataclasses.replace(table.fingerprint, cpu="Far away", architecture="other", threads=4)
    far = dataclasses.replace(table, fingerprint=fingerprint)
    far.save(folder / "far.json")
    networks = {digest: _offering_fewer(network) for digest, network in far.networks.items()}
    dataclasses.replace(far, networks=networks).save(folder / "sparse.json")
    return folder


def _offering_fewer(network: NetworkProfile) -> NetworkProfile:
    """The profile, of each group only every second width, and no anchor that has another."""
    groups = tuple(dataclasses.replace(g, widths=g.widths[::-2][::-1]) for g in network.groups)
    known = [set(g.widths) for g in groups]
    anchors = tuple(a for a in network.anchors if all(w in k for w, k in zip(a.widths, known, strict=True)))
    return dataclasses.replace(network, groups=groups, anchors=anchors)


def test_a_run_keeps_the_budgets_of_both_devices_and_says_which_are_predicted(tables: Path, tmp_path: Path) -> None:
    asked = spec(f"{tables / 'far.json'}:latency=0.95x,energy=0.9x", budgets=["macs=0.9x"])
    report = pipeline.run(asked, tmp_path / "run")
    jsonschema.validate(json.loads((tmp_path / "run" / "report.json").read_text()), json.loads(SCHEMA_FILE.read_text()))
    [other] = report.also
    assert (other.device, other.table) == ("Far away (4 threads)", str(tables / "far.json"))
    assert other.dense.latency_ms is not None
    assert other.pruned.latency_ms is not None
    assert other.pruned.latency_ms <= 0.95 * other.dense.latency_ms
    assert [row.kept for row in goal_rows(report)] == [True, True, True]
    assert [row.found.rpartition(", ")[2] for row in goal_rows(report)] == ["counted", "predicted", "modelled"]
    kinds = [(row.name, row.kind) for row in rows(report)]
    assert ("latency", "measured") in kinds
    assert ("latency", "predicted, Far away (4 threads)") in kinds
    assert report.pruned.latency_ms.measured is not None
    assert "Far away (4 threads)" in RunFolder(tmp_path / "run").page.read_text()


def test_every_trial_keeps_every_devices_budget(tables: Path, tmp_path: Path) -> None:
    asked = spec(f"{tables / 'far.json'}:latency=0.95x", budgets=["params=0.95x"])
    pipeline.search(asked, tmp_path / "run")
    network = Network.load(ModelSpec(name="tiny:tiny_net"), (1, 8, 8))
    costing = cost_policies(network, asked, None, Silent())
    [far] = costing.elsewhere
    dense = far.cost.cost(costing.space.dense()).latency_ms
    assert dense is not None
    for trial in Ledger(tmp_path / "run" / "study.db", "tiny", None).trials():
        latency = far.cost.cost(trial.policy).latency_ms
        assert latency is not None
        assert latency <= 0.95 * dense


def test_only_widths_that_all_devices_measured_are_offered(tables: Path) -> None:
    network = Network.load(ModelSpec(name="tiny:tiny_net"), (1, 8, 8))
    offered = {}
    for also in ("far", "sparse"):
        asked = spec(f"{tables / also}.json:latency=0.99x", budgets=["latency=0.99x"])
        here = asked.model_copy(update={"device": DeviceSpec(table=tables / "here.json", batch=64)})
        offered[also] = cost_policies(network, here, None, Silent(), stairs_only=False).space
    [sparse] = read_table(tables / "sparse.json").networks.values()
    assert [g.widths for g in offered["sparse"].groups] == [g.widths for g in sparse.groups]
    for few, many in zip(offered["sparse"].groups, offered["far"].groups, strict=True):
        assert set(few.widths) < set(many.widths)


def test_a_width_is_offered_that_is_worth_it_on_any_of_the_devices(tables: Path) -> None:
    network = Network.load(ModelSpec(name="tiny:tiny_net"), (1, 8, 8))
    asked = spec(f"{tables / 'far.json'}:energy=0.99x", budgets=["latency=0.99x"])
    both = asked.model_copy(update={"device": DeviceSpec(table=tables / "here.json", batch=64)})
    only_here = both.model_copy(update={"also": ()})
    only_far = RunSpec.parse({**asked.model_dump(mode="json", exclude_none=True), "search": {"trials": 12}})
    spaces = [cost_policies(network, one, None, Silent()).space for one in (both, only_here, only_far)]
    for together, here, far in zip(*(space.groups for space in spaces), strict=True):
        assert set(together.widths) == set(here.widths) | set(far.widths)


def test_a_comparison_tells_the_budgets_there_beside_the_others(tables: Path, tmp_path: Path) -> None:
    asked = spec(f"{tables / 'far.json'}:latency=0.95x,energy=0.9x", budgets=["macs=0.9x"])
    found = pipeline.compare(asked, ["random"], 1, tmp_path / "run")
    document = json.loads((tmp_path / "run" / "compare.json").read_text())
    jsonschema.validate(document, json.loads(Comparison.schema_file().read_text()))
    [other] = found.also
    assert (other.device, other.table) == ("Far away (4 threads)", str(tables / "far.json"))
    assert [str(budget) for budget in other.budgets] == ["latency=0.95x", "energy=0.9x"]
    asked_for = "macs=0.9x, latency=0.95x on Far away (4 threads), energy=0.9x on Far away (4 threads), 1 seed"
    assert asked_for in (tmp_path / "run" / "compare.html").read_text()


def test_a_budget_that_no_network_keeps_there_names_the_device(tables: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetUnreachable, match=r"latency <= .* on Far away \(4 threads\): the smallest network costs"):
        pipeline.search(spec(f"{tables / 'far.json'}:latency=0.01x"), tmp_path / "run")


def test_a_table_that_does_not_hold_the_network_is_named(tables: Path, tmp_path: Path) -> None:
    asked = spec(f"{tables / 'far.json'}:latency=0.9x")
    batch = {"also": [{"table": str(tables / "far.json"), "budgets": ["latency=0.9x"], "batch": 3}]}
    other = RunSpec.parse({**asked.model_dump(mode="json", exclude_none=True), **batch})
    with pytest.raises(BadInput, match=r"far\.json, the table of another device: .* does not hold this network"):
        pipeline.search(other, tmp_path / "run")
