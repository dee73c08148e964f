"""Gumbel-softmax gates: open or closed, drawn, with the gradient of a soft draw."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autoprune.training.channels import Channels
from autoprune.training.method import Moment
from autoprune.training.recipes.gates import Gates, pruned_by_gates, saved_share
from autoprune.training.recipes.recipe import Context, Pruned, Recipe

_TEMPERATURE, _STRENGTH, _START = 1.0, 4.0, 2.0


def soft_draw(logits: Tensor, u: Tensor, temperature: float) -> Tensor:
    """The first of a Gumbel-softmax over (logits, 0), drawn by the uniform `u` in (0, 1) (eq. 2, two classes).

    The difference of two Gumbel draws is logistic, so one uniform number is enough.
    """
    return torch.sigmoid((logits + u.log() - (-u).log1p()) / temperature)


class Gumbel(Gates):
    """Straight-through draws; the share of gates that stay open is drawn to what the budgets leave."""

    def __init__(self, channels: Channels, open_share: float) -> None:
        super().__init__(channels, _START)
        self._open_share = open_share

    def gates(self) -> Tensor:
        """Exactly 0 or 1 in training, with the soft draw's gradient (section 2.2); all open in eval mode."""
        if not self.training:
            return torch.ones_like(self.learned)
        soft = soft_draw(self.learned, torch.rand_like(self.learned).clamp(1e-6, 1 - 1e-6), _TEMPERATURE)
        return (soft > 0.5).float() + (soft - soft.detach())

    def penalty(self, network: nn.Module, at: Moment) -> Tensor:  # noqa: ARG002
        """lambda (mean open probability - what is to stay open)^2, after Herrmann et al.'s batch activation loss."""
        return _STRENGTH * (torch.sigmoid(self.learned).mean() - self._open_share) ** 2


def prune(context: Context) -> Pruned:
    """Train with the gates, and keep the channels that are likeliest open."""
    return pruned_by_gates(context, Gumbel(context.channels, 1 - saved_share(context)))


GUMBEL = Recipe(
    "gumbel-softmax",
    "during training",
    "gates drawn open or closed, with the gradient of a soft draw",
    "Jang, Gu & Poole, ICLR 2017 (Gumbel-Softmax), eq. 2; of channels: Herrmann et al., ECCV 2020",
    prune,
)
