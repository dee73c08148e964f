"""Measured latency: several networks timed in turns, so that their ratios hold while the machine drifts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoprune.cost import Measurement
from autoprune.profiler.averaging import summary
from autoprune.profiler.timing import time_in_turns
from autoprune.spec import DeviceSpec

_ROUNDS = 24
_RUNS = 20


def measure_in_turns(
    networks: Sequence[Path], *, device: DeviceSpec, rounds: int = _ROUNDS, runs: int = _RUNS, seed: int = 0
) -> list[Measurement]:
    """Latency of each ONNX file in ms per inference of one batch: median and half the interquartile range of rounds.

    Every round loads, warms up and runs each network `runs` times, in an order of its own. Raises
    `BadInput` where a file cannot be loaded or the provider is not installed.
    """
    times = time_in_turns(networks, device, rounds=rounds, runs=runs, seed=seed)
    return [summary(one, rounds * runs) for one in times]
