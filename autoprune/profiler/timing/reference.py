"""A network that never changes, timed all along: how fast the machine is just now; free of torch."""

from __future__ import annotations

from autoprune.device import Device
from autoprune.profiler.runtime.protobuf import Node, write_model
from autoprune.profiler.runtime.session import Session
from autoprune.profiler.runtime.skeleton import Skeleton, Weight

_CHANNELS, _SIDE = 64, 28
_RUNS = 3


def reference_network() -> bytes:
    """Two 3x3 convolutions of 64 channels on 28x28 pixels, added to what they read, and one activation.

    Small enough to be run between any two measurements (58 million MACs, below a millisecond on a
    desktop's core), and of the kernels that convolutional networks spend their time in.
    """
    shape = (1, _CHANNELS, _SIDE, _SIDE)
    nodes = [
        Node.of("Conv", ("image", "filters.0"), "first", pads=(1, 1, 1, 1)),
        Node.of("Relu", ("first",), "active"),
        Node.of("Conv", ("active", "filters.1"), "second", pads=(1, 1, 1, 1)),
        Node.of("Add", ("second", "image"), "sum"),
        Node.of("Sigmoid", ("sum",), "out"),
    ]
    weights = tuple(Weight(f"filters.{i}", 1, (_CHANNELS, _CHANNELS, 3, 3)) for i in range(2))
    return Skeleton(write_model(nodes, ("image", shape), ("out", shape)), weights).filled()


class Reference:
    """The reference network, loaded once on `device`."""

    def __init__(self, device: Device) -> None:
        self._session = Session(reference_network(), device)
        self._session.time(_RUNS)

    def time_ms(self) -> float:
        """Median time of three runs, now, in ms."""
        self._session.warm_up()
        return self._session.time(_RUNS).median_ms
