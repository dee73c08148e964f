"""A network of several channel groups that is profiled in seconds, named in specs as `narrow:narrow_net`."""

from __future__ import annotations

from torch import nn

from autoprune.models.digits_cnn import digits_cnn


def narrow_net(num_classes: int = 10) -> nn.Module:
    """An untrained `digits_cnn` of 16 channels everywhere."""
    return digits_cnn(num_classes, (16, 16, 16))
