from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from constant_power import ConstantPower
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from small_networks import CPU, SmallNetworks, small_network, small_space
from table_example import digest, example_rows, example_space, example_table

from autoprune.cost import Kernel, Measurement
from autoprune.errors import CorruptFile, UnknownKernel
from autoprune.profiler.energy.energy_model import (
    PJ_PER_BYTE,
    PJ_PER_MAC,
    Consumption,
    EnergyModel,
    consumption,
    energy_of,
    fit_energy,
    measure_energy,
)
from autoprune.profiler.energy.meter import NoMeter
from autoprune.profiler.energy.work import Work, work
from autoprune.profiler.listening import silent
from autoprune.profiler.plan.sampling import random_policies
from autoprune.profiler.runtime.executed import observe
from autoprune.profiler.runtime.session import Session
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.merging import merge
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.profiler.table.row import Row
from autoprune.profiler.table.written import checksum, document
from autoprune.tables.reading import read_table

MEASURED = EnergyModel("measured", 2.0, 30.0, 5.0, meter="rapl", networks=12, error=0.02)
PRODUCT = Kernel("Gemm", ((1, 100), (100, 10), (10,)), ((1, 10),))


class Still(ConstantPower):
    """A counter that does not move, as on some virtual machines."""

    def end(self) -> float:
        return 0.0


def test_modelled_energy_is_that_of_the_cited_constants() -> None:
    model = EnergyModel.modelled("no meter")
    assert (model.pj_per_mac, model.pj_per_byte) == (PJ_PER_MAC, PJ_PER_BYTE)
    assert pytest.approx((3.7 + 0.9, 640 / 4)) == (PJ_PER_MAC, PJ_PER_BYTE)
    moved = 4 * (100 + 1000 + 10 + 10)
    assert model.kernel_mj(PRODUCT, ms=1.0) == pytest.approx((4.6 * 1000 + 160 * moved) * 1e-9)
    assert "modelled" in str(model)
    assert "Horowitz" in str(model)
    assert "no meter" in str(model)


def test_static_power_counts_for_as_long_as_it_takes() -> None:
    dynamic = (2.0 * 1000 + 30.0 * 4 * 1120) * 1e-9
    assert MEASURED.kernel_mj(PRODUCT, ms=3.0) == pytest.approx(dynamic + 5.0 * 3.0)  # W x ms = mJ
    assert "measured" in str(MEASURED)
    assert "rapl" in str(MEASURED)


@pytest.mark.parametrize(
    "change",
    [
        {"source": "guessed"},
        {"pj_per_mac": -1.0},
        {"pj_per_byte": float("nan")},
        {"static_watts": float("inf")},
        {"meter": ""},
        {"networks": 0},
        {"error": None},
        {"error": -0.1},
        {"source": "modelled"},  # with a meter it cannot be
    ],
)
def test_an_energy_model_that_is_not_one_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"energ|source"):
        replace(MEASURED, **change)


quietly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
works = st.builds(Work, st.integers(1, 10**9), st.integers(1, 10**8))
loads = st.lists(st.tuples(works, st.floats(0.1, 100)), min_size=5, max_size=12)
energies = st.tuples(st.floats(0.1, 100), st.floats(1, 1000), st.floats(0.1, 100))


def under(model: Sequence[float], load: Sequence[tuple[Work, float]]) -> list[Consumption]:
    pj_per_mac, pj_per_byte, watts = model
    return [
        Consumption((pj_per_mac * w.macs + pj_per_byte * w.moved_bytes) * 1e-9 + watts * ms, ms, 1) for w, ms in load
    ]


@quietly
@given(loads, energies)
def test_energies_are_found_again_from_networks_that_take_them(
    load: list[tuple[Work, float]], model: tuple[float, float, float]
) -> None:
    taken = under(model, load)
    found = fit_energy([w for w, _ in load], taken, "simulated")
    again = under((found.pj_per_mac, found.pj_per_byte, found.static_watts), load)
    assert [one.mj for one in again] == pytest.approx([one.mj for one in taken], rel=5e-3)
    assert found.networks == len(load)


@quietly
@given(loads, st.data())
def test_no_energy_is_negative_and_none_would_fit_better(load: list[tuple[Work, float]], data: st.DataObject) -> None:
    mj = [data.draw(st.floats(0.1, 1000)) for _ in load]
    taken = [Consumption(own, ms, 1) for own, (_, ms) in zip(mj, load, strict=True)]
    found = fit_energy([w for w, _ in load], taken, "simulated")
    assert min(found.pj_per_mac, found.pj_per_byte, found.static_watts) >= 0
    features = np.array([[w.macs * 1e-9, w.moved_bytes * 1e-9, ms] for w, ms in load]) / np.array(mj)[:, None]
    size = np.linalg.norm(features, axis=0)
    assume(np.linalg.cond(features / size) < 1e6)
    ours = features @ (found.pj_per_mac, found.pj_per_byte, found.static_watts)
    _, best = nnls(features / size, np.ones(len(mj)))
    assert np.linalg.norm(ours - 1) <= best + 5e-3 * np.sqrt(len(mj))  # constants are rounded to four digits


def test_the_error_is_that_of_networks_that_were_left_out() -> None:
    load = [(Work(10**6 * n, 10**5 * n * n), 0.1 * n) for n in range(1, 9)]
    taken = under((4.0, 100.0, 2.0), load)
    assert fit_energy([w for w, _ in load], taken, "simulated").error == pytest.approx(0, abs=1e-6)
    taken[3] = replace(taken[3], mj=2 * taken[3].mj)
    found = fit_energy([w for w, _ in load], taken, "simulated")
    assert found.error is not None
    assert found.error > 0.05  # half of one network's energy cannot be foretold from the other seven


def test_a_window_is_run_through_and_counted() -> None:
    meter = ConstantPower(watts=8.0)
    taken = consumption(Session(small_network(4, 16), CPU), meter)
    assert taken.runs >= 1
    assert taken.runs * taken.ms >= 1e3 * meter.window_s
    assert taken.mj >= 8.0 * taken.ms  # the window is around the runs


def test_networks_of_all_sizes_are_measured_where_there_is_a_meter() -> None:
    networks = SmallNetworks()
    space = small_space()
    policies = list(dict.fromkeys([space.dense(), space.smallest(), *random_policies(space, 20, 0)]))
    kernels = [observe(networks(policy), CPU).kernels for policy in policies]
    networks.asked.clear()
    meter = ConstantPower()
    model = measure_energy([partial(networks, policy) for policy in policies], kernels, meter, device=CPU)
    assert (model.source, model.meter, model.networks, meter.windows) == ("measured", "simulated", 12, 12)
    assert len(set(networks.asked)) == 12
    macs = {policy: sum(work(one).macs for one in own) for policy, own in zip(policies, kernels, strict=True)}
    asked = [macs[policy] for policy in networks.asked]
    assert {min(asked), max(asked)} == {min(macs.values()), max(macs.values())}


def test_a_counter_that_stands_still_and_too_few_networks_are_said() -> None:
    network = small_network(4, 16)
    kernels = observe(network, CPU).kernels
    with pytest.raises(NoMeter, match="does not move"):
        measure_energy([lambda: network] * 6, [kernels] * 6, Still(), device=CPU)
    with pytest.raises(NoMeter, match="too few"):
        measure_energy([lambda: network], [kernels], ConstantPower(), device=CPU)


def test_without_zeus_energy_is_modelled_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeus", None)
    model = energy_of([], [], CPU, silent)
    assert model.source == "modelled"
    assert "pip install 'autoprune[energy]'" in model.why


def test_a_network_whose_work_is_not_known_is_not_metered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoprune.profiler.energy.energy_model.find_meter", lambda _: ConstantPower())
    network = small_network(4, 16)
    strange = Kernel("LSTM", ((6, 1, 8), (1, 20)), ((6, 1, 1, 5),))
    model = energy_of([lambda: network] * 6, [[strange]] * 6, CPU, silent)
    assert model.source == "modelled"
    assert "LSTM" in model.why


def stored(table: LatencyTable, place: Path, **energy: Any) -> Path:
    content = document(table)
    content["energy"].update(energy)
    place.write_text(json.dumps({"sha256": checksum(content), **content}))
    return place


@pytest.mark.parametrize("model", [EnergyModel.modelled(), EnergyModel.modelled("no meter"), MEASURED])
def test_a_table_keeps_its_energies_and_where_they_come_from(model: EnergyModel, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    replace(example_table(), energy=model).save(path)
    assert json.loads(path.read_text())["energy"]["source"] == model.source
    assert read_table(path).energy == model


@pytest.mark.parametrize(
    "change", [{"source": "guessed"}, {"pj_per_mac": -4.6}, {"static_watts": "1"}, {"error": 0.1}, {"joules": 1.0}]
)
def test_a_table_with_other_energies_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CorruptFile, match="energy"):
        read_table(stored(example_table(), tmp_path / "table.json", **change))


def test_a_table_that_grows_prefers_what_was_measured() -> None:
    modelled = example_table()
    measured = replace(example_table(reference_ms=2.0), energy=MEASURED)
    assert merge(modelled, modelled).energy == modelled.energy
    assert merge(measured, modelled).energy == MEASURED
    # The newer table's machine was half as fast: at the older one's speed, times are half as long.
    assert merge(modelled, measured).energy == replace(MEASURED, static_watts=10.0)


def test_rows_have_an_energy_where_their_work_is_known() -> None:
    table = replace(example_table(), energy=MEASURED)
    for row in table.rows:
        assert table.row_energy_mj(row) == pytest.approx(MEASURED.dynamic_mj(row.kernel) + 5.0 * row.ms)
    strange = Row.of(Kernel("LSTM", ((6, 1, 8),), ((6, 1, 5),)), Measurement(1.0, 0.1, 3), 9)
    assert table.row_energy_mj(strange) is None


@pytest.mark.parametrize("model", [EnergyModel.modelled(), MEASURED])
def test_a_networks_energy_is_its_kernels_and_static_power_while_it_runs(model: EnergyModel) -> None:
    space = example_space()
    timed = TimedPlan.of(replace(example_table(), energy=model), digest(), space)
    widths = np.array([(a, b) for a in space.groups[0].widths for b in space.groups[1].widths])
    expected = []
    for inner, outer in widths.tolist():
        units = [inner, outer // 2]
        kernels = [kernel for site in timed.plan.sites if (kernel := site.kernel(units)) is not None]
        assert set(kernels) <= example_rows().keys()
        expected.append(sum(model.dynamic_mj(kernel) for kernel in kernels))
    expected_mj = np.array(expected) + model.static_watts * timed.latency()(widths)
    np.testing.assert_allclose(timed.energy()(widths), expected_mj)


def test_a_network_of_unknown_work_has_no_energy() -> None:
    table = example_table()
    network = table.networks[digest()]
    sites = tuple(replace(site, op="LSTM") if site.name == "pair" else site for site in network.plan.sites)
    strange = replace(network, plan=replace(network.plan, sites=sites))
    timed = TimedPlan.of(replace(table, networks={digest(): strange}), digest(), example_space())
    with pytest.raises(UnknownKernel, match="multiply-accumulates"):
        timed.energy()
