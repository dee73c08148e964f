from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
from small_networks import CPU

from autoprune.device import Device
from autoprune.profiler.runtime.executed import observe
from autoprune.profiler.runtime.session import Session
from autoprune.profiler.timing.reference import Reference, reference_network


def test_the_reference_network_is_one_that_onnx_checks() -> None:
    model = onnx.load_from_string(reference_network())
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Conv", "Relu", "Conv", "Add", "Sigmoid"]


def test_the_reference_network_never_changes() -> None:
    assert reference_network() == reference_network()
    [first], [again] = (Session(reference_network(), CPU).run() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (1, 64, 28, 28)
    assert ((first > 0) & (first < 1)).mean() > 0.99  # the activation is neither all 0 nor all 1


def test_it_does_58_million_multiply_accumulates_in_convolutions() -> None:
    kernels = [k for k in observe(reference_network(), CPU).kernels if k.op.startswith("Conv")]
    macs = [math.prod(k.outputs[0]) * math.prod(k.inputs[1][1:]) for k in kernels]
    assert len(macs) == 2
    assert sum(macs) == pytest.approx(58e6, rel=0.01)


@pytest.mark.parametrize("device", [CPU, Device(threads=2)])
def test_it_is_timed_whenever_it_is_asked(device: Device) -> None:
    reference = Reference(device)
    assert all(reference.time_ms() > 0 for _ in range(3))
