"""A small residual network for the 8x8 digits: trained in seconds, wide enough that pruning it pays."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ProjectionBlock(nn.Module):
    """Two 3x3 convolutions beside a 1x1 one (option B of He et al., CVPR 2016).

    Maps (N, in_channels, H, W) to (N, channels, H, W). With the projection every width of the
    block can be pruned, the residual stream's too.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.project = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn_project = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output; see the class for shapes."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.bn_project(self.project(x)))


class DigitsCnn(nn.Module):
    """Maps grey images (N, 1, 8, 8) to logits (N, num_classes) through three blocks of `widths` channels.

    Nothing is down-sampled before the final pooling: at 8x8 that buys accuracy, and it makes one
    inference long beside the constant that a runtime adds to each (75 M MACs at the default widths).
    """

    def __init__(self, num_classes: int = 10, widths: tuple[int, int, int] = (64, 128, 256)) -> None:
        super().__init__()
        first, second, third = widths
        self.conv1 = nn.Conv2d(1, first, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.block1 = ProjectionBlock(first, first)
        self.block2 = ProjectionBlock(first, second)
        self.block3 = ProjectionBlock(second, third)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(third, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits; see the class for shapes."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.block3(self.block2(self.block1(x)))
        logits: Tensor = self.linear(torch.flatten(self.pool(x), 1))
        return logits


def digits_cnn(num_classes: int = 10, widths: tuple[int, int, int] = (64, 128, 256)) -> nn.Module:
    """The network for the `digits` task; `widths` are the channels of its three blocks."""
    return DigitsCnn(num_classes, widths)
