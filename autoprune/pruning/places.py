"""Where a channel group lies in a network's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autoprune.pruning.refit import NORMS
from autoprune.tracing.groups import SliceAxis
from autoprune.tracing.slicing import CONVOLUTIONS

_LAYERS = (nn.Linear, *CONVOLUTIONS)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One axis of one parameter: `positions` int64 [units, k], ascending, are those of each unit of a group."""

    parameter: str
    axis: int
    positions: NDArray[np.int64]

    @classmethod
    def of(cls, axis: SliceAxis, group: int, units: int) -> Place | None:
        """Where `group` lies along `axis`; None where it does not."""
        own = np.flatnonzero(axis.group == group)
        if not len(own):
            return None
        by_unit = own[np.argsort(axis.unit[own], kind="stable")]
        return cls(axis.parameter, axis.axis, np.sort(by_unit.reshape(units, -1), axis=1))

    @property
    def layer(self) -> str:
        """Name of the module that holds the parameter."""
        return self.parameter.rpartition(".")[0]

    def matrix(self, tensor: Tensor) -> Tensor:
        """What each unit has of `tensor`, shaped like the parameter: float64 [units, d]."""
        rows = tensor.detach().moveaxis(self.axis, 0)[torch.from_numpy(self.positions)]
        return rows.flatten(1).double()

    def channels(self, layer: nn.Module) -> NDArray[np.int64]:
        """The input channels [units, n] of `layer` at these positions: a grouped convolution has several at each."""
        groups = layer.groups if isinstance(layer, CONVOLUTIONS) and self.axis == 1 else 1
        width = layer.weight.shape[1] if isinstance(layer, _LAYERS) else 0
        each = self.positions[:, :, None] + int(width) * np.arange(groups)
        return each.reshape(len(self.positions), -1)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """All places of one group: weights that make its channels, weights that read them, and batch norms' weights.

    `watched` tells that every reader is a convolution or a linear layer, whose input can be seen.
    """

    made: tuple[Place, ...]
    read: tuple[Place, ...]
    scales: tuple[Place, ...]
    watched: bool

    @classmethod
    def of(cls, model: nn.Module, axes: Sequence[SliceAxis], group: int, units: int) -> Layout:
        """The layout of `group` in `model`."""
        parameters, modules = dict(model.named_parameters()), dict(model.named_modules())
        found = [(axis, place) for axis in axes if (place := Place.of(axis, group, units))]
        held = [(axis, place) for axis, place in found if place.parameter in parameters]
        matrices = [(axis, place) for axis, place in held if parameters[place.parameter].ndim >= 2]
        read = tuple(place for axis, place in matrices if axis.contracted)
        return cls(
            made=tuple(place for axis, place in matrices if not axis.contracted),
            read=read,
            scales=tuple(
                place
                for _, place in held
                if place.parameter.endswith(".weight") and isinstance(modules[place.layer], NORMS)
            ),
            watched=bool(read) and all(isinstance(modules.get(place.layer), _LAYERS) for place in read),
        )
