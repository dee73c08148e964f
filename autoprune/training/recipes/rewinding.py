"""The pruned network is trained again, with the learning rates, or from the weights, of an earlier time.

What goes back is as in the papers. They prune the smallest weights; here channels go as in one-shot pruning.
"""

from __future__ import annotations

import copy
from functools import partial

from torch import nn

from autoprune.training.initialisation import initialised
from autoprune.training.method import Method, Moment
from autoprune.training.recipes.one_shot import prune
from autoprune.training.recipes.recipe import Context, Pruned, Recipe

_LATE, _EARLY = 0.5, 0.1  # shares of the dense training that weights are rewound to


class Snapshot(Method):
    """Remembers the network as it was after the epoch `number`, which 0 says is before the first."""

    def __init__(self, network: nn.Module, number: int) -> None:
        super().__init__()
        self._number, self.early = number, copy.deepcopy(network).requires_grad_(False)

    def after_epoch(self, network: nn.Module, at: Moment) -> None:
        """Keep the network of that epoch."""
        if at.epoch == self._number:
            self.early.load_state_dict(network.state_dict())


def rewound_rates(context: Context, pruned: Pruned) -> nn.Module:
    """Weights go on from where they are, learning rates through the end of the original schedule once more."""
    original, epochs = context.spec.original, context.spec.recovery
    rewound = max(0.0, 1 - epochs / original.epochs)
    spec = original.model_copy(update={"epochs": epochs, "rewound": rewound})
    return context.train(pruned.network, spec, "recovery")


def rewound_weights(context: Context, pruned: Pruned, *, share: float) -> nn.Module:
    """The kept channels with the weights they had after `share` of the dense training, which then goes on."""
    original, done = context.spec.original, _epochs(context, share)
    _, dense = _history(context, share)
    early = context.traced.slice(dense, pruned.kept)
    spec = original.model_copy(update={"epochs": original.epochs - done, "rewound": done / original.epochs})
    return context.train(early, spec, "recovery")


def ticket(context: Context, *, share: float) -> Pruned:
    """The channels that matter in a network that was trained here, from random weights."""
    trained, _ = _history(context, share)
    return context.cut(trained, context.importance(trained))


def _history(context: Context, share: float) -> tuple[nn.Module, nn.Module]:
    """The dense network trained from random weights, and as it was after `share` of that training.

    A trained network that was given tells nothing of its early days. In a folder this is done once for both who ask.
    """
    start = initialised(context.dense, context.seed)
    snapshot = Snapshot(start, _epochs(context, share))
    trained = context.train(start, context.spec.original, "history", snapshot)
    return trained, snapshot.early.cpu().requires_grad_(True)


def _epochs(context: Context, share: float) -> int:
    return round(share * context.spec.original.epochs)


REWINDING = (
    Recipe(
        "lr-rewinding",
        "after training",
        "prune once, then train with the rates that the original training ended with",
        "Renda, Frankle & Carbin, ICLR 2020 (Comparing Rewinding and Fine-tuning)",
        prune,
        rewound_rates,
    ),
    Recipe(
        "weight-rewinding",
        "after training",
        "prune once, then set the weights back to the middle of training and go on from there",
        "Renda, Frankle & Carbin, ICLR 2020 (Comparing Rewinding and Fine-tuning)",
        partial(ticket, share=_LATE),
        partial(rewound_weights, share=_LATE),
    ),
    Recipe(
        "lottery-ticket",
        "after training",
        "prune once, then set the weights back to an early checkpoint and train anew",
        "Frankle & Carbin, ICLR 2019; Frankle et al., ICML 2020 (Linear Mode Connectivity)",
        partial(ticket, share=_EARLY),
        partial(rewound_weights, share=_EARLY),
    ),
)
