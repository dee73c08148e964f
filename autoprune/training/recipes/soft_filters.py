"""Soft filter pruning: the weakest channels are zeroed after each epoch, and may grow again in the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from autoprune.training.method import Method, Moment
from autoprune.training.recipes.allocation import allocate, kept_units
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, Scores, evened


class SoftFilters(Method):
    """Zeroes what reads the units of the smallest norms, as many as the budgets ask for, and lets it learn on.

    The paper does so with the filters that make units, the same share of them in every layer.
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context, self._channels = context, context.channels

    def scores(self, network: nn.Module) -> Scores:
        """L2 norms, as shares of their group's mean."""
        return evened(self._channels.norms(network))

    def after_epoch(self, network: nn.Module, at: Moment) -> None:
        """Zero them; after the last epoch they are cut instead."""
        if at.epoch == at.epochs:
            return
        scores, feasible = self.scores(network), self._context.feasible
        kept = kept_units(scores, allocate(scores, feasible), feasible)
        masks = [torch.zeros(units) for units in self._channels.units]
        for mask, units in zip(masks, kept, strict=True):
            mask[torch.from_numpy(np.asarray(units))] = 1
        with torch.no_grad():
            for name, tensor in self._channels.gated(network, masks).items():
                network.get_parameter(name).copy_(tensor)


def prune(context: Context) -> Pruned:
    """Zero and train in turns, then cut for good."""
    method = SoftFilters(context.silent)
    trained = context.train(context.dense, context.spec.sparsifying, "pruning", method)
    return context.cut(trained, method.scores(trained))


SOFT_FILTERS = Recipe(
    "soft-filter-pruning",
    "during training",
    "zero the weakest channels after each epoch; they may come back",
    "He et al., IJCAI 2018 (Soft Filter Pruning)",
    prune,
)
