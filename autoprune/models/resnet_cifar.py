"""The CIFAR ResNets of He et al. (CVPR 2016), section 4.2, with option A shortcuts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WIDTHS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut without parameters (option A).

    Maps (N, in_channels, H, W) to (N, channels, ceil(H / stride), ceil(W / stride)). Where the
    shapes differ, the shortcut takes every second pixel and pads the new channels with zeros,
    half of them before and half after the old ones.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self._stride = stride
        self._new_channels = channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """The block's output; see the class for shapes."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self._shortcut(x))

    def _shortcut(self, x: Tensor) -> Tensor:
        if self._stride == 1 and self._new_channels == 0:
            return x
        before = self._new_channels // 2
        x = x[:, :, :: self._stride, :: self._stride]
        return F.pad(x, (0, 0, 0, 0, before, self._new_channels - before))


class CifarResNet(nn.Module):
    """Maps images (N, 3, 32, 32) to logits (N, num_classes) through 6n + 2 layers, `blocks` = n a stage."""

    def __init__(self, blocks: int, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.layer1 = _stage(_WIDTHS[0], _WIDTHS[0], blocks, stride=1)
        self.layer2 = _stage(_WIDTHS[0], _WIDTHS[1], blocks, stride=2)
        self.layer3 = _stage(_WIDTHS[1], _WIDTHS[2], blocks, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(_WIDTHS[2], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits; see the class for shapes."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = torch.flatten(self.pool(x), 1)
        logits: Tensor = self.linear(x)
        return logits


def _stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(in_channels, channels, stride)
    return nn.Sequential(first, *(BasicBlock(channels, channels, 1) for _ in range(blocks - 1)))


def resnet20(num_classes: int = 10) -> nn.Module:
    """ResNet-20 for 32x32 images: 0.27 M parameters, 41 M MACs."""
    return CifarResNet(3, num_classes)


def resnet32(num_classes: int = 10) -> nn.Module:
    """ResNet-32 for 32x32 images: 0.46 M parameters, 69 M MACs."""
    return CifarResNet(5, num_classes)


def resnet44(num_classes: int = 10) -> nn.Module:
    """ResNet-44 for 32x32 images: 0.66 M parameters, 98 M MACs."""
    return CifarResNet(7, num_classes)


def resnet56(num_classes: int = 10) -> nn.Module:
    """ResNet-56 for 32x32 images: 0.85 M parameters, 126 M MACs."""
    return CifarResNet(9, num_classes)
