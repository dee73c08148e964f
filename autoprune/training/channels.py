"""Channels as training sees them: the weights that read each unit of each group.

Where these are zero the network answers as the sliced one does (tracing proves so), whatever norms and
activations lie between the layer that makes a channel and those that read it. So gates, penalties and
masks all act there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from autoprune.pruning.refit import NORMS
from autoprune.tracing.groups import SliceAxis
from autoprune.tracing.trace import Traced

Units = Sequence[Tensor]
"""One number a unit: for each group of the space a tensor [units]."""


class Channels:
    """Where the units of a network's groups lie in its weights; works on any network of the dense one's shapes."""

    def __init__(self, traced: Traced) -> None:
        self.units = traced.units
        self._starts = np.concatenate([[0], np.cumsum(traced.units)]).astype(np.int64)
        self._readers = [(axis, self._index(axis)) for axis in traced.axes if axis.contracted]
        self._scales = [(axis, self._index(axis)) for axis in traced.axes if not axis.contracted and axis.axis == 0]

    @property
    def read_by(self) -> tuple[str, ...]:
        """Names of the weights that read any unit."""
        return tuple(dict.fromkeys(axis.parameter for axis, _ in self._readers))

    def spread(self, network: nn.Module, units: Units) -> dict[str, Tensor]:
        """For each reading weight the numbers of the units that it reads, in a shape that broadcasts to its own."""
        flat = torch.cat([*units, torch.ones(1, device=units[0].device)]).to(next(network.parameters()).device)
        found: dict[str, Tensor] = {}
        for axis, index in self._readers:
            own = _along(flat[index.to(flat.device)], axis, network.get_parameter(axis.parameter))
            found[axis.parameter] = found[axis.parameter] * own if axis.parameter in found else own
        return found

    def gated(self, network: nn.Module, gates: Units) -> dict[str, Tensor]:
        """The reading weights, each times the gates of the units that it reads."""
        return {name: network.get_parameter(name) * gate for name, gate in self.spread(network, gates).items()}

    def summed(self, network: nn.Module, power: int = 2, tensors: dict[str, Tensor] | None = None) -> list[Tensor]:
        """Per unit the sum of |w|^power over the weights that read it; `tensors` stand in for some of these."""
        total = torch.zeros(int(self._starts[-1]) + 1, device=next(network.parameters()).device)
        for axis, index in self._readers:
            weight = (tensors or {}).get(axis.parameter, network.get_parameter(axis.parameter))
            rows = weight.abs().pow(power).moveaxis(axis.axis, 0).flatten(1).sum(1)
            total = total.index_add(0, index.to(total.device), rows)
        return self._split(total)

    def counts(self, network: nn.Module) -> list[Tensor]:
        """How many weights read each unit."""
        return self.summed(network, 0, {name: torch.ones_like(network.get_parameter(name)) for name in self.read_by})

    def norms(self, network: nn.Module, tensors: dict[str, Tensor] | None = None) -> list[Tensor]:
        """The L2 norm of the weights that read each unit; its gradient is finite at zero."""
        return [(squares + 1e-12).sqrt() for squares in self.summed(network, 2, tensors)]

    def scales(self, network: nn.Module) -> list[Tensor]:
        """Per unit the mean |gamma| of the norms behind the layers that make it; 0 where there are none."""
        modules = dict(network.named_modules())
        total, count = torch.zeros(2, int(self._starts[-1]) + 1, device=next(network.parameters()).device)
        for axis, index in self._scales:
            layer, _, leaf = axis.parameter.rpartition(".")
            if leaf == "weight" and isinstance(modules[layer], NORMS):
                total = total.index_add(0, index.to(total.device), network.get_parameter(axis.parameter).abs())
                count = count.index_add(0, index.to(total.device), torch.ones(len(index), device=total.device))
        return self._split(total / count.clamp_min(1))

    def _index(self, axis: SliceAxis) -> Tensor:
        """The number of the unit at each position, over all groups; one behind the last where there is none."""
        return torch.from_numpy(np.where(axis.group < 0, self._starts[-1], self._starts[axis.group] + axis.unit))

    def _split(self, flat: Tensor) -> list[Tensor]:
        return list(torch.split(flat[:-1], list(self.units)))


def _along(values: Tensor, axis: SliceAxis, weight: Tensor) -> Tensor:
    """`values` [size] in a shape that multiplies `weight` along the axis."""
    return values.view([-1 if i == axis.axis else 1 for i in range(weight.ndim)])
