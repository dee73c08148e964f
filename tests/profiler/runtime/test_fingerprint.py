from __future__ import annotations

import dataclasses
import json
import os
import platform
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from table_example import example_fingerprint

from autoprune.device import Device
from autoprune.errors import BadInput, ForeignTable
from autoprune.profiler.runtime.fingerprint import Conditions, Fingerprint
from autoprune.profiler.table.written import document
from autoprune.spec import DeviceSpec


def test_this_machine_is_the_same_machine_twice() -> None:
    here = Fingerprint.here(Device())
    assert here.differences(Fingerprint.here(Device())) == []
    assert here.runtime == f"onnxruntime {onnxruntime.__version__}"
    assert here.architecture == platform.machine()
    assert here.cores == os.cpu_count()
    assert here.cpu
    assert here.gpu is None
    assert here.affinity == ()


def test_the_batch_is_no_part_of_a_device_but_threads_and_affinity_are() -> None:
    here = Fingerprint.here(Device())
    assert here == Fingerprint.here(DeviceSpec(batch=8).device)
    assert here.differences(Fingerprint.here(Device(threads=3))) == ["threads 1 against 3"]
    assert here.differences(Fingerprint.here(Device(affinity=(0, 2)))) == ["affinity none against 0 2"]


@pytest.mark.parametrize(
    "device", [Device(), Device(threads=4, affinity=(3, 1)), DeviceSpec(threads=2, affinity=(0,)).device]
)
def test_a_fingerprint_tells_how_to_execute_networks(device: Device) -> None:
    assert Fingerprint.here(device).device == device


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Fingerprint)])
def test_every_field_counts(field: str) -> None:
    values: dict[str, Any] = {"cores": 5, "threads": 9, "provider": "cuda", "instructions": ("sve",)}
    changed = {field: values.get(field, (1,) if field == "affinity" else "another")}
    other = dataclasses.replace(example_fingerprint(), **changed)
    [difference] = example_fingerprint().differences(other)
    assert difference.startswith(f"{field} ")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cores": 0}, "cores must be at least 1, got 0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"provider": "tpu"}, "provider must be one of cpu, cuda, got 'tpu'"),
        ({"affinity": (1, 1)}, "affinity must name distinct processors"),
        ({"affinity": (-1,)}, "affinity must name distinct processors"),
    ],
)
def test_a_device_that_cannot_be_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        dataclasses.replace(example_fingerprint(), **changes)  # type: ignore[arg-type]


def test_a_foreign_table_is_refused_with_the_difference_and_the_ways_out() -> None:
    ours, theirs = example_fingerprint(), example_fingerprint(cpu="Other CPU")
    with pytest.raises(ForeignTable, match="cpu Other CPU against Example CPU") as refused:
        theirs.require_same(ours)
    assert "autoprune profile" in str(refused.value)
    assert "--allow-foreign-table" in str(refused.value)
    theirs.require_same(ours, allow_foreign=True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"runtime": "onnxruntime 1.1"}, "runtime onnxruntime 1.1 against onnxruntime 1.0 here"),
        ({"threads": 2}, "threads 2 against 1 here"),
        ({"affinity": (1,)}, "affinity 1 against none here"),
    ],
)
def test_another_runtime_or_way_of_using_it_is_another_device(change: dict[str, object], says: str) -> None:
    with pytest.raises(ForeignTable, match=says):
        dataclasses.replace(example_fingerprint(), **change).require_same(example_fingerprint())  # type: ignore[arg-type]


def test_a_fingerprint_cannot_be_changed_and_leaves_out_what_is_not_said() -> None:
    device = example_fingerprint()
    with pytest.raises(FrozenInstanceError):
        device.threads = 2  # type: ignore[misc]
    told = json.loads(json.dumps(document(device)))
    assert "affinity" not in told
    assert "gpu" not in told
    assert Fingerprint(**{**told, "instructions": tuple(told["instructions"])}) == device


def test_the_folder_s_name_is_plain() -> None:
    assert example_fingerprint(cpu="AMD EPYC(tm) 9B14 / v2").folder == "amd-epyc-tm-9b14-v2-x86-64"


def test_conditions_are_those_that_the_system_tells() -> None:
    now = Conditions.now()
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    assert now.governor == (governor.read_text().strip() if governor.is_file() else None)
    if hasattr(os, "getloadavg"):
        assert now.load is not None
        assert now.load >= 0
    else:
        assert now.load is None
