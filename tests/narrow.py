"""Networks that are made in seconds, named in specs as `narrow:narrow_net` and `narrow:plain_net`."""

from __future__ import annotations

from torch import nn

from autoprune.models.digits_cnn import digits_cnn


def narrow_net(num_classes: int = 10) -> nn.Module:
    """An untrained `digits_cnn` of 16 channels everywhere."""
    return digits_cnn(num_classes, (16, 16, 16))


def plain_net(num_classes: int = 10) -> nn.Module:
    """An untrained network of linear layers, without a norm."""
    hidden = (nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU())
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(16, num_classes))
