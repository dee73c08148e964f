"""What stands at the axes of every kind of picture: costs with their units, and names of channel groups that fit."""

from __future__ import annotations

from typing import Final

from autoprune.cost import Metric

_LONGEST_NAME: Final = 30
AXIS: Final = {
    Metric.MACS: "MACs, counted (millions)",
    Metric.PARAMS: "parameters, counted (millions)",
    Metric.LATENCY: "latency, predicted (ms)",
    Metric.ENERGY: "energy, modelled (mJ)",
    Metric.MEMORY: "activation memory, counted (MB)",
    Metric.SIZE: "size on disk, counted (MB)",
}
PER: Final = {metric: 1.0 if metric in (Metric.LATENCY, Metric.ENERGY) else 1e6 for metric in Metric}


def shortened(name: str) -> str:
    """A group's name in at most 30 characters, its middle left out where it has more."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
