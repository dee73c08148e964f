"""A network as the profiler sees it: what it is called, which widths it may have, and how to get its copies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from autoprune.cost import CountPlan, Extent
from autoprune.space import Policy, SearchSpace


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One network at one input shape, and the widths of it that are worth measuring.

    `name` is for people, `digest` tells networks apart (equal wherever layers, shapes and channel
    groups are), `input_shape` starts with the batch, `candidates` are the extents that lengths
    inside it may be functions of.
    """

    name: str
    digest: str
    input_shape: tuple[int, ...]
    space: SearchSpace
    candidates: tuple[Extent, ...]


class Networks(Protocol):
    """Pruned copies of one network: `networks(policy)` is one of them as a serialised ONNX model."""

    @property
    def blueprint(self) -> Blueprint:
        """The network that they are copies of."""
        ...

    def __call__(self, policy: Policy) -> bytes:
        """The network of `policy`; raises `BadInput` for an illegal policy."""
        ...


def units_of(space: SearchSpace, policy: Policy) -> list[int]:
    """Kept units a group of `policy`."""
    return [width // group.unit for width, group in zip(policy.widths, space.groups, strict=True)]


def architecture_digest(input_shape: Sequence[int], space: SearchSpace, counts: CountPlan) -> str:
    """A name for an architecture at one input shape: 16 hexadecimal digits.

    Made of its channel groups and what every layer computes, so it does not depend on weights, on
    the widths on offer, on the exporter, or on the device.
    """
    groups = [(group.name, group.width, group.unit) for group in space.groups]
    layers = [(v.layer, v.factor, [(e.fixed, e.terms) for e in v.extents]) for v in (*counts.macs, *counts.params)]
    return hashlib.sha256(repr((tuple(input_shape), groups, layers)).encode()).hexdigest()[:16]
