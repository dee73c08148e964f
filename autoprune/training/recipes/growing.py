"""Growing regularisation: what is to go is chosen first, and then drawn to zero ever more strongly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoprune.cost import IntArray
from autoprune.space import Policy
from autoprune.training.method import Method, Moment
from autoprune.training.recipes.allocation import allocate, kept_units
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, evened

_CEILING = 1.0  # tau, as in the authors' code


class Growing(Method):
    """lambda_t / 2 ||w_u||^2 for each unit u that is to go, lambda_t growing to its ceiling (eq. 2).

    It grows evenly to the last step; the paper's grows every few steps, and stays at the ceiling for a while.
    """

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


def chosen(context: Context) -> tuple[Policy, list[IntArray]]:
    """The policy, and the units of each group that stay: those of the largest L1 norms.

    Norms and penalty are of the weights that read a unit; the paper's are of the filter that makes it.
    """
    scores = evened(context.channels.summed(context.dense, 1))
    policy = allocate(scores, context.feasible)
    return policy, kept_units(scores, policy, context.feasible)


def prune(context: Context) -> Pruned:
    """GReg-1: the units of the smallest norms are drawn to zero while the others take over, then cut."""
    policy, kept = chosen(context)
    trained = context.train(context.dense, context.spec.sparsifying, "pruning", Growing(context, kept))
    return context.keep(trained, kept, policy)


GROWING = Recipe(
    "growing-regularisation",
    "during training",
    "an L2 penalty that grows on the channels that are to go",
    "Wang et al., ICLR 2021 (growing regularization), section 3.2 (GReg-1), eq. 2",
    prune,
)
