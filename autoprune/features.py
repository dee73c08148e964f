"""What a layer looks like to an agent: the static part of AMC's state, filled in by the tracer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from autoprune.errors import BadInput


class LayerKind(IntEnum):
    """The type of a layer, as a code that an agent can read."""

    OTHER = 0
    CONV = 1
    DEPTHWISE = 2
    LINEAR = 3


@dataclass(frozen=True, slots=True)
class GroupFeatures:
    """The layer that produces one channel group, in the dense network (AMC, He et al., ECCV 2018, "The State Space").

    `height` and `width` are those of its input in pixels (1 for a linear layer), `kernel` the
    length of its kernel's longer side, `stride` the larger of its two strides.
    """

    kind: LayerKind
    in_channels: int
    out_channels: int
    height: int = 1
    width: int = 1
    stride: int = 1
    kernel: int = 1

    def __post_init__(self) -> None:
        sizes = (self.in_channels, self.out_channels, self.height, self.width, self.stride, self.kernel)
        if any(size < 1 for size in sizes):
            raise BadInput(f"a layer's channels, sizes, stride and kernel are at least 1, got {self}")
