"""Channels kept in each layer, of a policy that was chosen or of the one that leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoprune.deploy.policy.document import PolicyFile


@dataclass(frozen=True, slots=True)
class Layer:
    """A channel group: how many of its channels are kept."""

    name: str
    kept: int
    dense: int


def layers_of(policy: PolicyFile) -> tuple[Layer, ...]:
    """Those of a policy that was chosen."""
    return tuple(Layer(name, group.width, group.of) for name, group in policy.groups.items())


def layers_so_far(groups: Sequence[tuple[str, int]], widths: Sequence[int]) -> tuple[Layer, ...]:
    """Those of a trial, `groups` being the names and dense widths; () where these are not known."""
    if len(groups) != len(widths):
        return ()
    return tuple(Layer(name, kept, dense) for (name, dense), kept in zip(groups, widths, strict=True))
