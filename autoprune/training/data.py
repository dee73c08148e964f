"""What training asks of data; `autoprune.evaluation` has classes that fit, and training does not know them."""

from __future__ import annotations

from collections.abc import Callable
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
