"""L0 regularisation: gates that are exactly 0 or 1 with a probability that has a gradient.

The paper's distribution and constants; of one gate a channel, where it has one for each weight or group of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from autoprune.training.channels import Channels
from autoprune.training.method import Moment
from autoprune.training.recipes.gates import Gates, pruned_by_gates
from autoprune.training.recipes.recipe import Context, Pruned, Recipe

_BETA, _GAMMA, _ZETA = 2 / 3, -0.1, 1.1  # temperature, and what draws are stretched to
_STRENGTH, _START = 1.0, 2.0


def stretched(s: Tensor) -> Tensor:
    """min(1, max(0, s (zeta - gamma) + gamma)), of s in (0, 1)."""
    return (s * (_ZETA - _GAMMA) + _GAMMA).clamp(0, 1)


def hard_concrete(log_alpha: Tensor, u: Tensor) -> Tensor:
    """sigmoid((log u - log(1 - u) + log alpha) / beta), stretched: a gate drawn by the uniform `u` in (0, 1)."""
    return stretched(torch.sigmoid((u.log() - (-u).log1p() + log_alpha) / _BETA))


def open_probability(log_alpha: Tensor) -> Tensor:
    """P(gate != 0) = sigmoid(log alpha - beta log(-gamma / zeta))."""
    return torch.sigmoid(log_alpha - _BETA * math.log(-_GAMMA / _ZETA))


class HardConcrete(Gates):
    """Drawn in training; the expected number of open gates, as a share of all, is the penalty."""

    def __init__(self, channels: Channels) -> None:
        super().__init__(channels, _START)

    def gates(self) -> Tensor:
        """In eval mode the paper's estimate without noise, sigmoid(log alpha) stretched."""
        if not self.training:
            return stretched(torch.sigmoid(self.learned))
        u = torch.rand_like(self.learned).clamp(1e-6, 1 - 1e-6)
        return hard_concrete(self.learned, u)

    def penalty(self, network: nn.Module, at: Moment) -> Tensor:  # noqa: ARG002
        """lambda E[L0] / units, every unit counting alike (there: by its weights)."""
        return _STRENGTH * open_probability(self.learned).mean()


def prune(context: Context) -> Pruned:
    """Train with the gates, and keep the channels that are likeliest open."""
    return pruned_by_gates(context, HardConcrete(context.channels))


HARD_CONCRETE = Recipe(
    "hard-concrete",
    "during training",
    "gates from a distribution with mass at 0 and 1, and a penalty on how many are open (L0)",
    "Louizos, Welling & Kingma, ICLR 2018 (Learning Sparse NNs through L0 Regularization)",
    prune,
)
