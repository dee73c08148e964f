"""Soft-threshold reparameterisation: each group learns how large its channels must be to be there at all."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.training.channels import Channels
from autoprune.training.method import Method, Moment
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, numbers

_START, _DECAY = -3.0, 2.5e-3


def soft_threshold(size: Tensor, threshold: Tensor) -> Tensor:
    """relu(size - threshold), of sizes >= 0: what is left of them."""
    return F.relu(size - threshold)


class SoftThreshold(Method):
    """w_u relu(1 - g(s) / ||w_u||) for the weights that read unit u: sign(w) relu(|w| - g(s)), of a channel's norm.

    g is the sigmoid, s one number a group, in units of the group's mean norm; decay draws s to 0 and so
    the threshold up.
    """

    rate = 10.0

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        self._channels = channels
        self.learned = nn.Parameter(torch.full((len(channels.units),), _START))

    def left(self, network: nn.Module) -> list[Tensor]:
        """Which share of each unit's norm is left [units]."""
        pairs = zip(self._channels.norms(network), torch.sigmoid(self.learned), strict=True)
        return [soft_threshold(norm, g * norm.mean().detach()) / norm for norm, g in pairs]

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        """The reading weights, shrunk."""
        return self._channels.gated(network, self.left(network))

    def penalty(self, network: nn.Module, at: Moment) -> Tensor:  # noqa: ARG002
        """The decay of s, which alone decides how sparse the network becomes."""
        return _DECAY / 2 * self.learned.square().sum()

    def margins(self, network: nn.Module) -> list[Tensor]:
        """Each unit's norm (of a trained network, what is left of it) as a multiple of its group's threshold."""
        pairs = zip(self._channels.norms(network), torch.sigmoid(self.learned), strict=True)
        return [norm / (g * norm.mean()) for norm, g in pairs]


def prune(context: Context) -> Pruned:
    """Train with thresholds that are learned; the channels furthest above theirs are kept."""
    method = SoftThreshold(context.channels)
    trained = context.train(context.dense, context.spec.sparsifying, "pruning", method)
    return context.cut(trained, numbers(method.margins(trained)))


SOFT_THRESHOLD = Recipe(
    "soft-threshold",
    "during training",
    "a learned threshold a group, below which channels vanish (STR)",
    "Kusupati et al., ICML 2020 (STR), there of single weights",
    prune,
)
