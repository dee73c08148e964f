"""What is measured of networks, where the device is at hand, and what is left predicted where it is not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from constant_power import ConstantPower
from table_example import example_table
from tiny import TinyNet

from autoprune.cost import Cost
from autoprune.deploy.document.standing import Energy, Latency
from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.pipeline.delivery import measuring
from autoprune.pipeline.delivery.measuring import Candidate, at_hand, cost_lines
from autoprune.profiler.energy.meter import NoMeter
from autoprune.profiler.runtime.fingerprint import Fingerprint

EXAMPLE = torch.zeros(4, 1, 8, 8)
COST = Cost(macs=1000.0, params=100.0, peak_memory_bytes=10.0, latency_ms=0.2, energy_mj=3.0)


class StandsStill(ConstantPower):
    """A meter whose counter never moves."""

    def end(self) -> float:
        return 0.0


def candidates() -> list[Candidate]:
    return [Candidate(TinyNet().eval(), COST), Candidate(TinyNet(5).eval(), COST)]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_table_of_this_machine_is_measured_as_it_was_made(threads: int) -> None:
    device = Device(threads=threads)
    table = dataclasses.replace(example_table(), fingerprint=Fingerprint.here(device))
    assert at_hand(table, Device(threads=1)) == device


def test_another_devices_table_is_not_at_hand() -> None:
    assert at_hand(example_table(), Device()) is None


def test_what_is_counted_is_measured_as_it_is_asked() -> None:
    assert at_hand(None, Device(threads=2)) == Device(threads=2)


def test_a_provider_that_is_not_installed_is_not_at_hand() -> None:
    cuda = Device("cuda")
    try:
        Fingerprint.here(cuda)
    except BadInput:
        assert at_hand(None, cuda) is None
    else:
        assert at_hand(None, cuda) == cuda


def test_networks_are_measured_in_turns_and_keep_what_was_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "find_meter", lambda _: ConstantPower(window_s=0.02))
    found = candidates()
    for candidate, line in zip(found, cost_lines(found, EXAMPLE, Device()), strict=True):
        assert line.latency_ms.predicted == 0.2
        assert line.latency_ms.measured is not None
        assert line.latency_ms.measured > 0
        assert line.latency_ms.spread is not None
        assert line.energy_mj is not None
        assert line.energy_mj.source == "measured"
        export_onnx(candidate.module, EXAMPLE, tmp_path / "network.onnx")
        assert line.size_bytes == (tmp_path / "network.onnx").stat().st_size


def test_energy_stays_modelled_where_the_counter_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "find_meter", lambda _: StandsStill(window_s=0.02))
    [line, _] = cost_lines(candidates(), EXAMPLE, Device())
    assert line.energy_mj == Energy(value=3.0, source="modelled")
    assert line.latency_ms.measured is not None


def test_without_the_device_only_files_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(_: object) -> ConstantPower:
        raise NoMeter("nobody should have looked for one")

    monkeypatch.setattr(measuring, "find_meter", find)
    [line, _] = cost_lines(candidates(), EXAMPLE, None)
    assert line.latency_ms == Latency(predicted=0.2)
    assert line.energy_mj == Energy(value=3.0, source="modelled")
    assert line.size_bytes is not None
