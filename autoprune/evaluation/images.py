"""Sets of labelled images: what a task offers, kept in memory as pixels or read when asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autoprune.errors import BadInput


class ImageSet(Protocol):
    """Labelled images that are read by index."""

    def __len__(self) -> int:
        """How many images there are."""
        ...

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images at `indices` (int64, (N,)): normalised float32 (N, C, H, W) and classes int64 (N,)."""
        ...


@dataclass(frozen=True, slots=True)
class Normalisation:
    """From pixels to what a network takes: (pixel / peak - mean) / std, one mean and deviation a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    peak: float = 255.0

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.std):
            raise BadInput(f"mean and std have one number a channel, got {self.mean} and {self.std}")
        if not (all(math.isfinite(m) for m in self.mean) and all(s > 0 for s in (*self.std, self.peak))):
            raise BadInput(f"means are finite, std and peak positive, got {self.mean}, {self.std} and {self.peak}")

    def __call__(self, pixels: Tensor) -> Tensor:
        """Normalised float32 images of the same shape (N, C, H, W) as `pixels`."""
        shape = (1, len(self.mean), 1, 1)
        mean, std = torch.tensor(self.mean).view(shape), torch.tensor(self.std).view(shape)
        return (pixels.float() / self.peak - mean) / std


@dataclass(frozen=True, slots=True, eq=False)
class PixelSet:
    """Images kept in memory as bytes (N, C, H, W) with their classes (N,), normalised as they are read."""

    pixels: Tensor
    targets: Tensor
    normalise: Normalisation

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.shape[1] != len(self.normalise.mean):
            expected = f"(N, {len(self.normalise.mean)}, H, W)"
            raise BadInput(f"images have the shape {expected}, got {tuple(self.pixels.shape)}")
        if self.targets.shape != (len(self.pixels),):
            raise BadInput(f"expected {len(self.pixels)} classes, one an image, got {tuple(self.targets.shape)}")

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], targets: NDArray[np.integer], normalise: Normalisation) -> PixelSet:
        """From numpy arrays of bytes (N, C, H, W) and of integers (N,)."""
        return cls(torch.from_numpy(pixels), torch.from_numpy(targets.astype(np.int64)), normalise)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """See `ImageSet.batch`."""
        return self.normalise(self.pixels[indices]), self.targets[indices]


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """The images of `whole` at `indices` (int64, (N,))."""

    whole: ImageSet
    indices: Tensor = field(repr=False)

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """See `ImageSet.batch`."""
        return self.whole.batch(self.indices[indices])
