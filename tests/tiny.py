"""Tiny networks for whole runs, named in specs as `tiny:FUNCTION`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TinyNet(nn.Module):
    """Two convolutions and a residual one for digits: (N, 1, 8, 8) to (N, num_classes)."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, 24, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(24)
        self.conv3 = nn.Conv2d(24, 24, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(24)
        self.head = nn.Linear(24, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        x = torch.relu(x + self.bn3(self.conv3(x)))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def tiny_net(num_classes: int = 10) -> nn.Module:
    """An untrained `TinyNet`."""
    return TinyNet(num_classes)


def broken_net(num_classes: int = 10) -> nn.Module:
    """A `TinyNet` that answers with NaN."""
    network = TinyNet(num_classes)
    nn.init.constant_(network.head.bias, float("nan"))
    return network


def rigid_net(num_classes: int = 10) -> nn.Module:
    """A network without a hidden layer."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))
