"""What the runtime's profiler adds to the times it states, measured on a network of small kernels; free of torch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from autoprune.device import Device
from autoprune.profiler.runtime.events import median_us, read_events
from autoprune.profiler.runtime.protobuf import Node, write_model
from autoprune.profiler.runtime.session import Session
from autoprune.profiler.runtime.skeleton import Skeleton, Weight

_KERNELS = 100
_CHANNELS, _SIDE = 16, 8
_RUNS, _REPEATS = 40, 3


def measured_overhead_ms(device: Device) -> float:
    """By how much the profiler overstates a kernel, in ms (a microsecond or two on a desktop's core); at least 0.

    A chain of convolutions of two microseconds each: the sum of what the profiler states for them,
    less what the whole chain takes without it, over their number.
    """
    return max(0.0, float(np.median([_overhead_ms(device) for _ in range(_REPEATS)])))


def _overhead_ms(device: Device) -> float:
    with tempfile.TemporaryDirectory(prefix="autoprune-") as folder:
        session = Session(chain(), device, profile_to=Path(folder))
        warm_up = session.warm_up()
        session.time(_RUNS)
        kernels = read_events(session.end_profiling()).values()
    stated_us = sum(median_us(kernel.durations_us[warm_up:]) for kernel in kernels)
    whole_us = session.time(_RUNS).median_ms * 1e3
    return (stated_us - whole_us) / len(kernels) * 1e-3


def chain() -> bytes:
    """A hundred 3x3 convolutions of 16 channels on 8x8 pixels, one after the other, as a serialised ONNX model."""
    shape = (1, _CHANNELS, _SIDE, _SIDE)
    nodes = [Node.of("Conv", (f"x{i}", "filters"), f"x{i + 1}", pads=(1, 1, 1, 1)) for i in range(_KERNELS)]
    model = write_model(nodes, ("x0", shape), (f"x{_KERNELS}", shape))
    return Skeleton(model, (Weight("filters", 1, (_CHANNELS, _CHANNELS, 3, 3)),)).filled()
