"""A network before any training."""

from __future__ import annotations

import copy

import torch
from torch import nn


def initialised(model: nn.Module, seed: int) -> nn.Module:
    """A copy of `model` with random weights, drawn from `seed`: He's for what convolves or maps (He et al., ICCV 2015).

    Every other module gets what its own `reset_parameters` gives it. The global random state is left as it was.
    """
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in fresh.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return fresh
