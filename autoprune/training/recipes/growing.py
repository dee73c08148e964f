"""Growing regularisation: what is to go is chosen first, and then drawn to zero ever more strongly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoprune.cost import IntArray
from autoprune.training.method import Method, Moment
from autoprune.training.recipes.allocation import allocate, kept_units
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, evened

_CEILING = 1.0  # the paper's tau


class Growing(Method):
    """lambda_t / 2 ||w_u||^2 for each unit u that is to go, lambda_t growing to its ceiling (section 3.2)."""

    def __init__(self, context: Context, kept: Sequence[IntArray]) -> None:
        super().__init__()
        self._channels = context.channels
        going = [torch.ones(units) for units in self._channels.units]
        for own, stays in zip(going, kept, strict=True):
            own[torch.from_numpy(stays)] = 0
        self.register_buffer("going", torch.cat(going))

    going: Tensor

    def penalty(self, network: nn.Module, at: Moment) -> Tensor:
        """Grows step by step."""
        return _CEILING * at.done / 2 * (self.going * torch.cat(self._channels.summed(network))).sum()


def prune(context: Context) -> Pruned:
    """GReg-1: the units of the smallest norms are drawn to zero while the others take over, then cut."""
    scores = evened(context.channels.norms(context.dense))
    policy = allocate(scores, context.feasible)
    kept = kept_units(scores, policy, context.feasible)
    trained = context.train(context.dense, context.spec.sparsifying, "pruning", Growing(context, kept))
    return context.keep(trained, kept, policy)


GROWING = Recipe(
    "growing-regularisation",
    "during training",
    "an L2 penalty that grows on the channels that are to go",
    "Wang et al., ICLR 2021, section 3.2 (GReg-1)",
    prune,
)
