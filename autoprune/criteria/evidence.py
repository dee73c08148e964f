"""What is known of one channel group, in tensors with a row or a column a unit.

A unit is what can be removed: one channel, or several that go in one piece. All tensors are float64 unless said
otherwise. Parts that nobody asked for are None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

PartT = TypeVar("PartT")


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """A weight of two or more axes that the group lies in: `matrix` [units, d], what each unit has of it.

    It is `made` where the layer makes the channels (d: the filters), else the layer reads them.
    """

    name: str
    matrix: Tensor
    made: bool


@dataclass(frozen=True, slots=True, eq=False)
class Consumer:
    """A layer that reads the group's channels and can be refitted: y = x W.

    `moments` [F, F] second moments of its inputs (damped, positive definite), `weight` [F, O],
    `rows` [units, b] the input features of each unit of the group.
    """

    moments: Tensor
    weight: Tensor
    rows: Tensor

    @property
    def energy(self) -> float:
        """Second moment of its output, tr(W^T H W); 1 where there is none."""
        return float((self.weight * (self.moments @ self.weight)).sum()) or 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """What a layer is given of the group's channels: `values` float32 [images, positions, units].

    The positions are drawn once, the same for all images. `weight` [units, d] is what the layer
    multiplies each unit with.
    """

    values: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """First derivatives of the images' losses (cross-entropy with the labels).

    `gates` [images, units]: of each image's loss by a factor before the unit wherever it is read,
    at 1; that is the sum of activation times gradient over all who read the unit. `made`: for each
    weight that makes the group, [units, d], of the mean loss; `read`: for each consumer, [F, O].
    """

    gates: Tensor
    made: tuple[Tensor, ...]
    read: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """Diagonals of the mean loss's Hessian, estimated: by the `gates` [units], and by each weight in `made` [units, d].

    Gates and weights are those of `Gradients`.
    """

    gates: Tensor
    made: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that criteria may ask about one group.

    `read_by`: the layers that read it; none where one of them cannot be watched. `scales`: for
    each batch norm over the channels its weights gamma [units, k]. `movement`: for each weight in
    `made`, [units, d], minus weight times gradient, added up over steps of fine-tuning. `labels`
    int64 [images]. `seed` is for what is random, another one for every group.
    """

    group: str
    units: int
    seed: int
    weights: tuple[Weight, ...]
    read_by: tuple[str, ...] = ()
    scales: tuple[Tensor, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    readers: tuple[Reader, ...] | None = None
    labels: Tensor | None = None
    gradients: Gradients | None = None
    curvature: Curvature | None = None
    movement: tuple[Tensor, ...] | None = None

    @property
    def made(self) -> tuple[Tensor, ...]:
        """The weights that make the group's channels, each [units, d]."""
        return tuple(weight.matrix for weight in self.weights if weight.made)

    @property
    def filters(self) -> Tensor:
        """All that makes each unit, one row each [units, D]; weights are divided by their norms to count alike."""
        return torch.cat([levelled(weight) for weight in self.made], dim=1)

    @property
    def norm_shares(self) -> Tensor:
        """Share of each unit in the squared norms of the weights that make and read the group, added up [units]."""
        return torch.stack([levelled(weight.matrix).square().sum(1) for weight in self.weights]).sum(0)


def levelled(values: Tensor) -> Tensor:
    """`values` divided by their Euclidean norm; zeros stay."""
    length: Tensor = values.norm()
    return values / length.clamp_min(1e-30)


def given(part: PartT | None) -> PartT:
    """A part of the evidence that was gathered because a criterion asks for it."""
    if part is None:
        raise ValueError("the criterion reads evidence that it does not name among its needs")
    return part
