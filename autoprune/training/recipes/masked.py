"""Masks over single weights, or over channels: what is masked computes with zero, and its gradient is still known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from autoprune.training.method import Method, settle
from autoprune.training.recipes.recipe import Context, Pruned, Sparse, evened


def straight_through(weight: Tensor, mask: Tensor) -> Tensor:
    """weight x mask, with a gradient as if nothing were masked (straight-through: Bengio et al., 2013)."""
    return weight + (weight * mask - weight).detach()


def size_below(weight: Tensor, share: float) -> float:
    """The size |w| that the `share` in [0, 1] of all weights does not exceed; 0 for none of them."""
    count = round(share * weight.numel())
    return float(weight.detach().abs().flatten().kthvalue(count).values) if count else 0.0


class Masked(Method):
    """A mask of each of the weights `names`, all open at first."""

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names
        for number, name in enumerate(names):
            self.register_buffer(f"mask{number}", torch.ones_like(network.get_parameter(name)))

    @property
    def masks(self) -> Mapping[str, Tensor]:
        """1 where a weight is there, else 0, by the weight's name."""
        return {name: self.get_buffer(f"mask{number}") for number, name in enumerate(self.names)}

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        """Masked weights."""
        return {name: straight_through(network.get_parameter(name), mask) for name, mask in self.masks.items()}

    def sparse(self, network: nn.Module) -> Sparse:
        """`network`, on the CPU, with its masked weights at zero, and the share of them."""
        self.cpu()
        settle(network, self)
        closed = sum(float((1 - mask).sum()) for mask in self.masks.values())
        return Sparse(network, closed / sum(p.numel() for p in network.parameters()))


def pruned_by_masks(context: Context, method: Masked) -> Pruned:
    """Train with the masks, then cut where hardly anything reads any more."""
    return cut_unread(context, context.train(context.dense, context.spec.sparsifying, "pruning", method), method)


def cut_unread(context: Context, network: nn.Module, method: Masked) -> Pruned:
    """`network` without its masked weights, and of that the channels cut that the fewest and smallest of them read."""
    sparse = method.sparse(network)
    cut = context.cut(sparse.network, evened(context.channels.norms(sparse.network)))
    return replace(cut, sparse=sparse)
