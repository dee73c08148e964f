"""The file that ONNX Runtime's profiler writes: which operators ran, on which shapes, for how long; free of torch."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from autoprune.errors import AutopruneError

Shape = tuple[int, ...]

# One event a line. Most of a line repeats what the node's first line said, so only the duration and
# the name are taken from the others: for a small network, parsing all of it takes longer than running.
_EVENT = re.compile(rb'"dur" ?:(\d+),.*?"name" ?:"(.*?)_kernel_time"')


@dataclass(frozen=True, slots=True)
class NodeEvents:
    """What one node of the optimised graph did: operator, shapes, and the time of each run in whole microseconds."""

    name: str
    op: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    durations_us: list[int] = field(default_factory=list)


def read_events(path: Path) -> dict[str, NodeEvents]:
    """The nodes in a profile, by name, in the order in which they ran.

    Raises `AutopruneError` where the runtime wrote none (a change in its format: upgrade or report it).
    """
    nodes: dict[str, NodeEvents] = {}
    with path.open("rb") as file:
        for line in file:
            found = _EVENT.search(line)
            if found is None:
                continue
            name = found[2].decode()
            if name not in nodes:
                nodes[name] = _first_event(name, line)
            nodes[name].durations_us.append(int(found[1]))
    if not nodes:
        raise AutopruneError(f"{path}: ONNX Runtime's profile holds no kernel times; is its version supported?")
    return nodes


def _first_event(name: str, line: bytes) -> NodeEvents:
    args = json.loads(line.strip().rstrip(b",]"))["args"]
    return NodeEvents(name, args["op_name"], _shapes(args["input_type_shape"]), _shapes(args["output_type_shape"]))


def _shapes(typed: list[dict[str, list[int]]]) -> tuple[Shape, ...]:
    return tuple(tuple(shape) for entry in typed for shape in entry.values())


def median_us(durations_us: ArrayLike) -> float:
    """The median of times that were cut down to whole microseconds, in microseconds.

    A time written as d lies in [d, d + 1); inside the median's own microsecond the times are taken
    as evenly spread (the grouped-data median), so that kernels of 2 us can be told apart.
    """
    times = np.sort(np.asarray(durations_us))
    middle = times[(len(times) - 1) // 2]
    below = np.searchsorted(times, middle, side="left")
    inside = np.searchsorted(times, middle, side="right") - below
    return float(middle + (len(times) / 2 - below) / inside)
