from __future__ import annotations

from typing import Any

import pytest

from autoprune.device import PROVIDERS, Device
from autoprune.errors import BadInput
from autoprune.spec import DeviceSpec


def test_a_device_is_one_thread_of_the_processor_where_nothing_is_said() -> None:
    assert Device() == Device("cpu", 1, ())


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_every_provider_is_one_that_a_spec_may_name(provider: Any) -> None:
    spec = DeviceSpec(provider=provider, threads=3, affinity=(0, 4))
    assert spec.device == Device(provider, 3, (0, 4))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"provider": "tpu"}, "provider must be one of cpu, cuda, got 'tpu'"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"affinity": (1, 1)}, r"affinity must name distinct processors from 0 on, got \[1, 1\]"),
        ({"affinity": (-1,)}, r"affinity must name distinct processors from 0 on, got \[-1\]"),
    ],
)
def test_a_device_that_cannot_be_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        Device(**arguments)
