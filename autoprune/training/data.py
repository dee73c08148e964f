"""What training asks of data; `autoprune.evaluation` has classes that fit, and training does not know them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Maps inputs (N, ...) to changed ones of the same shape, drawing from the generator; both on the CPU."""

Score = Callable[[Tensor, Tensor], Tensor]
"""Maps outputs (N, num_classes) and targets (N,) to one score in [0, 1] a sample (N,), higher is better."""


class Samples(Protocol):
    """Labelled samples that are read by index."""

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The samples at `indices` (int64, (N,)): inputs float32 (N, ...) and classes int64 (N,)."""
        ...


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 where the largest output is the target's, else 0: float32 (N,)."""
    return (outputs.argmax(dim=1) == targets).float()


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What a network learns from: `train`, changed by `augment`; `judging`, if any, chooses the epoch by `score`.

    No sample of `judging` is in `train`.
    """

    train: Samples
    judging: Samples | None = None
    augment: Augment | None = None
    score: Score = correct
