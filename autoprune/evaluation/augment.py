"""Random changes of images: mild ones to train on, stronger ones to score a network on images it has seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from autoprune.errors import BadInput

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""Maps normalised images (N, C, H, W) to changed ones of the same shape, drawing from the generator."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Changes drawn anew for each image: geometry in one resampling, then light.

    Every strength is the end of a range that is drawn from uniformly; 0 leaves its change out.
    `shift` is a share of the side (whole pixels where nothing else resamples), `flip` mirrors left
    and right half of the time, `degrees` rotates either way, `zoom` = 0.25 scales by 0.8 to 1.25;
    what comes in from outside is the image's reflection. `contrast` = 0.2 multiplies the distance
    from the image's mean by 0.8 to 1.2, `brightness` adds to all channels alike, `tint` to each its
    own, `noise` is the deviation of Gaussian noise: these three in units of normalised pixels.
    """

    shift: float = 0.0
    flip: bool = False
    degrees: float = 0.0
    zoom: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    tint: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        strengths = (self.shift, self.degrees, self.zoom, self.contrast, self.brightness, self.tint, self.noise)
        if not all(math.isfinite(s) and s >= 0 for s in strengths):
            raise BadInput(f"strengths of an augmentation are at least 0, got {strengths}")

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Changed copies of `inputs`, normalised images (N, C, H, W) on the CPU."""
        if self.shift or self.flip or self.degrees or self.zoom:
            grid = F.affine_grid(self._affine(inputs, generator), list(inputs.shape), align_corners=False)
            inputs = F.grid_sample(inputs, grid, padding_mode="reflection", align_corners=False)
        if self.contrast or self.brightness or self.tint:
            inputs = self._relight(inputs, generator)
        if self.noise:
            inputs = inputs + self.noise * torch.randn(inputs.shape, generator=generator)
        return inputs

    def _affine(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Matrices (N, 2, 3) from output to input coordinates, both in [-1, 1]."""
        n, _, height, width = inputs.shape
        angle, zoom, mirror, down, right = _uniform((5, n), generator)
        angle = angle * math.radians(self.degrees)
        scale = torch.exp(-zoom * math.log1p(self.zoom))
        side = torch.where(mirror < 0, -1.0, 1.0) if self.flip else torch.ones(n)
        # A pixel is 2 / side long in these coordinates; x and y differ in scale where the image is not square.
        aspect = height / width
        rows = (
            torch.stack([scale * side * angle.cos(), -scale * angle.sin() * aspect, self._offset(right, width)], dim=1),
            torch.stack([scale * side * angle.sin() / aspect, scale * angle.cos(), self._offset(down, height)], dim=1),
        )
        return torch.stack(rows, dim=1)

    def _offset(self, draw: Tensor, side: int) -> Tensor:
        if self.degrees or self.zoom:
            return 2 * self.shift * draw
        # Every whole number of pixels is as likely as any other: the draw covers half a pixel more on both ends.
        most = round(self.shift * side)
        return 2 / side * (draw * (most + 0.5)).round().clamp(-most, most)

    def _relight(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        n, channels = inputs.shape[:2]
        mean = inputs.mean(dim=(1, 2, 3), keepdim=True)
        contrast = 1 + self.contrast * _uniform((n, 1, 1, 1), generator)
        light = self.brightness * _uniform((n, 1, 1, 1), generator)
        tint = self.tint * _uniform((n, channels, 1, 1), generator)
        return mean + contrast * (inputs - mean) + light + tint


def unchanged(inputs: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG001 - an Augment takes both
    """The augmentation that does nothing."""
    return inputs


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform draws from [-1, 1)."""
    return 2 * torch.rand(shape, generator=generator) - 1
