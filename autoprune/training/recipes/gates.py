"""Gates: a number a channel that is learned with the weights, and multiplies what reads the channel."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoprune.training.channels import Channels
from autoprune.training.method import Method
from autoprune.training.recipes.recipe import Context, Pruned, numbers


class Gates(Method):
    """One learned number a unit, `start` at first, and the gates that follow from it."""

    rate = 10.0  # gates have a few hundred steps to open or close in, at the small rate of a trained network

    def __init__(self, channels: Channels, start: float) -> None:
        super().__init__()
        self.channels = channels
        self.learned = nn.Parameter(torch.full((sum(channels.units),), start))

    @abstractmethod
    def gates(self) -> Tensor:
        """Gates [units of all groups]: drawn in training mode, in eval mode what the network keeps."""

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        """The reading weights times the gates."""
        return self.channels.gated(network, self.split(self.gates()))

    def split(self, values: Tensor) -> Sequence[Tensor]:
        """`values` [units of all groups] as a tensor [units] a group."""
        return torch.split(values, list(self.channels.units))


def pruned_by_gates(context: Context, gates: Gates, sign: float = 1.0) -> Pruned:
    """Train with the `gates`; units whose learned number (times `sign`) is largest are kept."""
    trained = context.train(context.dense, context.spec.sparsifying, "pruning", gates)
    return context.cut(trained, numbers(gates.split(sign * gates.learned)))


def saved_share(context: Context) -> float:
    """The largest share that a budget asks to save: about as many gates should close."""
    dense = context.feasible.cost.cost(context.feasible.space.dense())
    return max([0.0, *(1 - budget.limit / dense.of(budget.metric) for budget in context.feasible.budgets)])
