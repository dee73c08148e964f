"""Measured latency and energy: several networks in turns, so that their ratios hold while the machine drifts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoprune.cost import Measurement
from autoprune.device import Device
from autoprune.profiler.energy.energy_model import consumption
from autoprune.profiler.energy.meter import Meter
from autoprune.profiler.runtime.pinning import pinned
from autoprune.profiler.runtime.session import Session
from autoprune.profiler.timing.averaging import summary
from autoprune.profiler.timing.visits import time_in_turns

_ROUNDS = 24
_RUNS = 20
_WINDOWS = 3


def measure_in_turns(
    networks: Sequence[Path], *, device: Device, rounds: int = _ROUNDS, runs: int = _RUNS, seed: int = 0
) -> list[Measurement]:
    """Latency of each ONNX file in ms per inference of one batch: median and half the interquartile range of rounds.

    Every round loads, warms up and runs each network `runs` times, in an order of its own. Raises
    `BadInput` where a file cannot be loaded or the provider is not installed.
    """
    times = time_in_turns(networks, device, rounds=rounds, runs=runs, seed=seed)
    return [summary(one, rounds * runs) for one in times]


def energies_in_turns(
    networks: Sequence[Path], meter: Meter, *, device: Device, windows: int = _WINDOWS
) -> list[Measurement]:
    """Energy of each ONNX file in mJ per inference of one batch: median and half the interquartile range of windows.

    Raises `NoMeter` where the counter stands still.
    """
    taken: list[list[float]] = [[] for _ in networks]
    with pinned(device):
        for _ in range(windows):
            for k, network in enumerate(networks):
                taken[k].append(consumption(Session(network, device), meter).mj)
    return [summary(one, windows) for one in taken]
