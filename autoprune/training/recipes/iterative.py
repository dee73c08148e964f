"""A bit is pruned after each epoch of training, on a schedule.

The schedules are the papers'; what goes is chosen alike for all, where each of them has a criterion of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from autoprune.cost import IntArray
from autoprune.training.method import Method, Moment
from autoprune.training.recipes.allocation import allocate, kept_units, loosened
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, Scores
from autoprune.training.schedules import constant, cubic, linear

Schedule = Callable[[float, float], float]


class Closing(Method):
    """Masks over units; after each epoch more of them close, and what is closed is never read again.

    `share(e / epochs)` says how much of what the budgets ask for is saved after epoch e, `score` what
    units are worth in a network.
    """

    masks: Tensor

    def __init__(self, context: Context, share: Schedule, score: Callable[[nn.Module], Scores]) -> None:
        super().__init__()
        self._context, self._share, self._score = context, share, score
        self._channels = context.channels
        self.register_buffer("masks", torch.ones(sum(self._channels.units)))

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        """The reading weights, those of closed units at zero."""
        return self._channels.gated(network, self.open)

    def after_epoch(self, network: nn.Module, at: Moment) -> None:
        """Close units until this epoch's share is saved; the last epoch's is left to the final cut."""
        if at.epoch < at.epochs:
            self.close(network, self._share(1.0, at.epoch / at.epochs))

    def close(self, network: nn.Module, share: float) -> None:
        """Close the units of the lowest scores until `share` of what the budgets ask for is saved."""
        feasible, scores = loosened(self._context.feasible, share), self.scores(network)
        self._keep(kept_units(scores, allocate(scores, feasible), feasible))

    def scores(self, network: nn.Module) -> Scores:
        """Of the network as it is with its masks; what is closed is worth less than anything open."""
        with torch.no_grad():
            for name, tensor in self.tensors(network).items():
                network.get_parameter(name).copy_(tensor)
        pairs = zip(self._score(copy.deepcopy(network).cpu()), self.open, strict=True)
        return [own - (own.max() + 1) * (1 - mask.cpu().double().numpy()) for own, mask in pairs]

    @property
    def open(self) -> Sequence[Tensor]:
        """1 for each unit that is still read, else 0, a tensor [units] a group."""
        return torch.split(self.masks, list(self._channels.units))

    def _keep(self, kept: Sequence[IntArray]) -> None:
        for mask, units in zip(self.open, kept, strict=True):
            mask.zero_()
            mask[torch.from_numpy(units)] = 1


def prune(context: Context, schedule: Schedule) -> Pruned:
    """Prune and train in turns, judged anew each time by backward elimination in the network as it is by then."""
    silent = context.silent
    method = Closing(silent, schedule, silent.importance)
    trained = context.train(context.dense, context.spec.sparsifying, "pruning", method)
    return context.cut(trained, method.scores(trained))


def _recipe(schedule: Schedule, summary: str, source: str) -> Recipe:
    return Recipe(
        f"iterative-{schedule.__name__}", "after training", summary, source, partial(prune, schedule=schedule)
    )


ITERATIVE = (
    _recipe(
        constant,
        "prune all after the first epoch, then train on",
        "Han et al., NIPS 2015 (Learning both Weights and Connections), section 3",
    ),
    _recipe(
        linear,
        "prune the same share after each epoch",
        "Molchanov et al., ICLR 2017 (Pruning CNNs for Resource Efficient Inference), section 2",
    ),
    _recipe(cubic, "prune much early and little late", "Zhu & Gupta, 2017 (To prune, or not to prune), eq. 1"),
)
