"""Training on with a penalty that draws channels that do little to zero.

A group of weights is what reads one channel, so that a penalised channel can be cut whatever norms lie before it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from autoprune.training.channels import Channels
from autoprune.training.method import Method, Moment
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, evened, numbers

# Chosen for a handful of epochs from a trained network; the papers train for some hundred with about a tenth.
_SLIMMING, _LASSO, _ELASTIC = 1e-3, 1e-3, 1e-4
_SINGLE = 0.5  # share of the penalty that is on single weights

Penalty = Callable[[Channels, nn.Module], Tensor]


class Penalised(Method):
    """Adds a penalty on the weights that read each unit."""

    def __init__(self, channels: Channels, penalty: Penalty) -> None:
        super().__init__()
        self._channels, self._penalty = channels, penalty

    def penalty(self, network: nn.Module, at: Moment) -> Tensor:  # noqa: ARG002
        """The same at any moment."""
        return self._penalty(self._channels, network)


def slimming(channels: Channels, network: nn.Module) -> Tensor:
    """lambda sum |gamma| over the units (eq. 1 with g(s) = |s|)."""
    return _SLIMMING * torch.cat(channels.scales(network)).sum()


def group_lasso(channels: Channels, network: nn.Module) -> Tensor:
    """lambda sum_u sqrt(p_u) ||w_u||_2 over the units, p_u weights w_u reading unit u.

    The factor sqrt(p_u) is Yuan & Lin's (JRSS B 68, 2006); Wen et al. have none.
    """
    pairs = zip(channels.counts(network), channels.norms(network), strict=True)
    return _LASSO * torch.stack([(count.sqrt() * norm).sum() for count, norm in pairs]).sum()


def sparse_group_lasso(channels: Channels, network: nn.Module) -> Tensor:
    """(1 - a) lambda sum_u sqrt(p_u) ||w_u||_2 + a lambda ||w||_1: group lasso and lasso."""
    single = torch.cat(channels.summed(network, 1)).sum()
    return (1 - _SINGLE) * group_lasso(channels, network) + _SINGLE * _LASSO * single


def elastic_net(channels: Channels, network: nn.Module) -> Tensor:
    """lambda (a ||w||_1 + (1 - a) / 2 ||w||_2^2), as Friedman et al. write it (J. Stat. Software 33, 2010)."""
    single, squared = (torch.cat(channels.summed(network, power)).sum() for power in (1, 2))
    return _ELASTIC * (_SINGLE * single + (1 - _SINGLE) / 2 * squared)


def prune(context: Context, penalty: Penalty) -> Pruned:
    """Train with the penalty, then keep the units that it left the most: of gamma, or of their reading weights."""
    trained = context.train(context.dense, context.spec.sparsifying, "pruning", Penalised(context.channels, penalty))
    if penalty is slimming:
        return context.cut(trained, numbers(context.channels.scales(trained)))
    return context.cut(trained, evened(context.channels.norms(trained)))


def _recipe(penalty: Penalty, name: str, summary: str, source: str) -> Recipe:
    return Recipe(name, "during training", summary, source, partial(prune, penalty=penalty))


PENALTIES = (
    _recipe(slimming, "slimming", "L1 on the batch norms' gamma", "Liu et al., ICCV 2017 (Network Slimming), eq. 1"),
    _recipe(
        group_lasso,
        "group-lasso",
        "L2 norms of each channel's reading weights",
        "Wen et al., NIPS 2016 (Learning Structured Sparsity: SSL)",
    ),
    _recipe(
        sparse_group_lasso,
        "sparse-group-lasso",
        "group lasso, and L1 on single weights beside it",
        "Scardapane et al., Neurocomputing 241, 2017; Simon et al., JCGS 22, 2013",
    ),
    _recipe(
        elastic_net,
        "elastic-net",
        "L1 and L2 on single weights",
        "Zou & Hastie, J. R. Stat. Soc. B 67, 2005 (elastic net)",
    ),
)
