"""The training split in batches, of which each process of a group has its share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from autoprune.training.data import Data
from autoprune.training.group import Group
from autoprune.training.mixup import Labels, mix
from autoprune.training.randomness import Randomness


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Inputs (N, ...) with N labels, and their `weight`: N by the mean share of all the group's batch."""

    inputs: Tensor
    labels: Labels
    weight: float

    def to(self, place: torch.device) -> Batch:
        """The same batch on the device `place`."""
        return Batch(self.inputs.to(place), self.labels.to(place), self.weight)


class Batches:
    """Iterated, a pass over the training split in random order: samples changed, and mixed if `mixup` says so.

    `size` samples are all the group's.
    """

    def __init__(self, data: Data, size: int, mixup: bool, randomness: Randomness, group: Group) -> None:
        self._data, self._size, self._mixup = data, size, mixup
        self._randomness, self._group = randomness, group

    def __len__(self) -> int:
        return len(self._split(torch.arange(len(self._data.train))))

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self._data.train), generator=self._randomness.order)
        for whole in self._split(order):
            share = self._group.share(whole)
            inputs, labels = self._read(share)
            yield Batch(laid_out(inputs), labels, len(share) * self._group.size / len(whole))

    def _read(self, indices: Tensor) -> tuple[Tensor, Labels]:
        changes = self._randomness.changes
        inputs, targets = self._data.train.batch(indices)
        if self._data.augment is not None:
            inputs = self._data.augment(inputs, changes)
        return mix(inputs, targets, changes) if self._mixup else (inputs, Labels(targets))

    def _split(self, order: Tensor) -> tuple[Tensor, ...]:
        """`order` in pieces; a last one that does not give each process a sample is left out.

        Nor does one sample alone stay, because BatchNorm cannot train on it.
        """
        pieces = torch.split(order, self._size)
        few = len(pieces[-1]) < max(2, self._group.size)
        return pieces[:-1] if len(pieces) > 1 and few else pieces


def laid_out(inputs: Tensor) -> Tensor:
    """Images with their channels last in memory, which convolutions train on in three quarters of the time."""
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs
