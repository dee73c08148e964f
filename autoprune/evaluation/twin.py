"""Twins of a network: the same tensors in modules of their own."""

from __future__ import annotations

import copy

from torch import nn


def twin(module: nn.Module) -> nn.Module:
    """The same tensors in modules of their own, so that what `forward` sets in one is not seen in the other."""
    other = copy.copy(module)
    other._modules = {name: child and twin(child) for name, child in module._modules.items()}
    return other
