"""Meters through the zeus package itself, on a powercap tree that is written here in place of the kernel's."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from small_networks import CPU

from autoprune.profiler.energy import meter as meters
from autoprune.profiler.energy.meter import NoMeter, find_meter

ZONES = {"intel-rapl:0": "package-0", "intel-rapl:0/intel-rapl:0:0": "dram", "intel-rapl:1": "package-1"}


@dataclass
class Powercap:
    """The files in which Linux shows RAPL's counters, all of them rising until they are `held`."""

    root: Path
    microjoules: dict[str, int] = field(default_factory=dict)
    held: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        for zone, name in ZONES.items():
            (self.root / zone).mkdir(parents=True, exist_ok=True)
            (self.root / zone / "name").write_text(f"{name}\n")
            (self.root / zone / "max_energy_range_uj").write_text("262143328850\n")
            self.add(zone, 1_000_000)

    def add(self, zone: str, microjoules: int) -> None:
        self.microjoules[zone] = self.microjoules.get(zone, 0) + microjoules
        file = self.root / zone / "energy_uj"
        file.with_suffix(".new").write_text(f"{self.microjoules[zone]}\n")
        file.with_suffix(".new").replace(file)  # a reader never finds it empty

    def rise(self) -> None:
        while not self.held.wait(0.01):
            for zone in ZONES:
                self.add(zone, 1000)


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Powercap]:
    pytest.importorskip("zeus", reason="needs the extra `energy`")
    import zeus.device.cpu
    from zeus.device.cpu import rapl

    tree = Powercap(tmp_path / "intel-rapl")
    monkeypatch.setattr(rapl, "RAPL_DIR", str(tree.root))
    monkeypatch.setattr(zeus.device.cpu, "_cpus", None)
    rapl.rapl_is_available.cache_clear()
    rising = threading.Thread(target=tree.rise, daemon=True)
    rising.start()
    yield tree
    tree.held.set()
    rising.join()
    rapl.rapl_is_available.cache_clear()


def test_rapl_is_read_package_by_package_with_its_memory(powercap: Powercap) -> None:
    meter = find_meter(CPU)
    assert meter.name == "rapl"
    powercap.held.set()
    meter.begin()
    powercap.add("intel-rapl:0", 2_500_000)
    powercap.add("intel-rapl:1", 1_000_000)
    powercap.add("intel-rapl:0/intel-rapl:0:0", 500_000)
    assert meter.end() == pytest.approx(4.0, abs=0.01)  # a last rise may fall into the window


def test_counters_that_only_root_may_read_are_said(powercap: Powercap, monkeypatch: pytest.MonkeyPatch) -> None:
    from zeus.device.cpu import rapl

    def denying(path: str, mode: str = "r") -> Any:
        if path.endswith("energy_uj"):
            raise PermissionError(13, "Permission denied", path)
        return Path(path).open(mode, encoding="utf-8")

    assert powercap.root.is_dir()
    monkeypatch.setattr(rapl, "open", denying, raising=False)
    with pytest.raises(NoMeter, match="read access to /sys/class/powercap"):
        find_meter(CPU)


def test_counters_that_stand_still_are_no_meter(powercap: Powercap) -> None:
    powercap.held.set()
    with pytest.raises(NoMeter, match="does not move"):
        find_meter(CPU)


def test_a_machine_without_counters_says_so(powercap: Powercap, monkeypatch: pytest.MonkeyPatch) -> None:
    from zeus.device.cpu import rapl

    monkeypatch.setattr(rapl, "RAPL_DIR", str(powercap.root / "nowhere"))
    with pytest.raises(NoMeter, match="no RAPL counters"):
        find_meter(CPU)


def test_without_zeus_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeus", None)
    with pytest.raises(NoMeter, match=r"pip install 'autoprune\[energy\]'"):
        find_meter(CPU)


def test_what_each_kind_of_chip_counts_is_brought_to_joules() -> None:
    pytest.importorskip("zeus", reason="needs the extra `energy`")
    from zeus.device.soc.apple import AppleSiliconMeasurement
    from zeus.device.soc.jetson import JetsonMeasurement
    from zeus.monitor import Measurement

    def measured(**parts: Any) -> Any:
        return Measurement(time=1.0, gpu_energy={}, **parts)

    packages = measured(cpu_energy={0: 2.0, 1: 1.0}, dram_energy={0: 0.5})
    assert meters._package_joules(packages) == pytest.approx(3.5)
    assert meters._package_joules(measured(cpu_energy={0: 2.0})) == pytest.approx(2.0)
    apple = AppleSiliconMeasurement(cpu_total_mj=1500, dram_mj=250, gpu_mj=9999)
    assert meters._apple_joules(measured(soc_energy=apple)) == pytest.approx(1.75)
    board = JetsonMeasurement(cpu_energy_mj=400.0, gpu_energy_mj=600.0, total_energy_mj=2500.0)
    assert meters._jetson_joules(measured(soc_energy=board)) == pytest.approx(2.5)
    without_total = JetsonMeasurement(cpu_energy_mj=400.0, gpu_energy_mj=600.0)
    assert meters._jetson_joules(measured(soc_energy=without_total)) == pytest.approx(1.0)
