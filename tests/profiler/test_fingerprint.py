from __future__ import annotations

import platform

import onnxruntime
import pytest
from pydantic import ValidationError
from table_example import example_fingerprint

from autoprune.errors import ForeignTable
from autoprune.profiler.fingerprint import DeviceFingerprint
from autoprune.spec import DeviceSpec


def test_this_machine_is_the_same_machine_twice() -> None:
    here = DeviceFingerprint.here(DeviceSpec())
    assert here.differences(DeviceFingerprint.here(DeviceSpec())) == []
    assert here.runtime == f"onnxruntime {onnxruntime.__version__}"
    assert here.architecture == platform.machine()
    assert here.cpu
    assert here.gpu is None


def test_the_batch_is_no_part_of_a_device_but_threads_are() -> None:
    here = DeviceFingerprint.here(DeviceSpec())
    assert here == DeviceFingerprint.here(DeviceSpec(batch=8))
    assert here.differences(DeviceFingerprint.here(DeviceSpec(threads=3))) == ["threads 1 against 3"]


@pytest.mark.parametrize("field", list(DeviceFingerprint.model_fields))
def test_every_field_counts(field: str) -> None:
    values: dict[str, object] = {"cores": 5, "threads": 9, "provider": "cuda", "instructions": ("sve",)}
    other = example_fingerprint().model_copy(update={field: values.get(field, "another")})
    [difference] = example_fingerprint().differences(other)
    assert difference.startswith(f"{field} ")


def test_a_foreign_table_is_refused_with_the_difference_and_the_ways_out() -> None:
    ours, theirs = example_fingerprint(), example_fingerprint(cpu="Other CPU")
    with pytest.raises(ForeignTable, match="cpu Other CPU against Example CPU") as refused:
        theirs.require_same(ours)
    assert "autoprune profile" in str(refused.value)
    assert "--allow-foreign-table" in str(refused.value)
    theirs.require_same(ours, allow_foreign=True)


def test_a_fingerprint_survives_json_and_cannot_be_changed() -> None:
    device = example_fingerprint()
    assert DeviceFingerprint.model_validate_json(device.model_dump_json()) == device
    with pytest.raises(ValidationError):
        device.threads = 2  # type: ignore[misc]


def test_the_folder_s_name_is_plain() -> None:
    assert example_fingerprint(cpu="AMD EPYC(tm) 9B14 / v2").folder == "amd-epyc-tm-9b14-v2-x86-64"
