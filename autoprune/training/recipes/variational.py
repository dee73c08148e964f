"""Variational dropout: noise whose variance is learned; a channel that bears much of it carries nothing.

The noise is Gaussian, one a channel and batch; Molchanov et al. have one a weight, Neklyudov et al. log-normal noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autoprune.training.channels import Channels
from autoprune.training.method import Moment
from autoprune.training.recipes.gates import Gates, pruned_by_gates
from autoprune.training.recipes.recipe import Context, Pruned, Recipe

_K1, _K2, _K3 = 0.63576, 1.87320, 1.48695
_STRENGTH, _START = 0.1, -6.0


def divergence(log_alpha: Tensor) -> Tensor:
    """KL of the posterior from the log-uniform prior but for a constant (section 4.2): falls to 0 as alpha grows.

    Approximated by k1 - k1 sigmoid(k2 + k3 log alpha) + log(1 + 1 / alpha) / 2, in nats, elementwise.
    """
    return _K1 - _K1 * torch.sigmoid(_K2 + _K3 * log_alpha) + 0.5 * torch.log1p(torch.exp(-log_alpha))


class VariationalDropout(Gates):
    """Gates 1 + sqrt(alpha) e with normal e, one log alpha a channel."""

    def __init__(self, channels: Channels) -> None:
        super().__init__(channels, _START)

    def gates(self) -> Tensor:
        """All 1 in eval mode."""
        if not self.training:
            return torch.ones_like(self.learned)
        return 1 + torch.exp(self.learned / 2) * torch.randn_like(self.learned)

    def penalty(self, network: nn.Module, at: Moment) -> Tensor:  # noqa: ARG002
        """The mean divergence, from 0 at the start (warm-up) to lambda at the end."""
        return _STRENGTH * at.done * divergence(self.learned).mean()


def prune(context: Context) -> Pruned:
    """Train with the gates, and keep the channels that bear the least noise."""
    return pruned_by_gates(context, VariationalDropout(context.channels), sign=-1.0)


VARIATIONAL = Recipe(
    "variational-dropout",
    "during training",
    "multiplicative noise with a learned variance a channel; the noisiest go",
    "Molchanov et al., ICML 2017 (Variational Dropout Sparsifies DNNs); Neklyudov et al., NIPS 2017",
    prune,
)
