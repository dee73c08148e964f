"""RigL: the network is sparse from the start; what is small is dropped, and what has a large gradient grows.

The paper begins with random weights and random places, and spends a step on each change; here a trained network's
largest weights are open at first, and a step of training follows each change at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoprune.training.method import Method, Moment
from autoprune.training.recipes.allocation import kept_units
from autoprune.training.recipes.gates import saved_share
from autoprune.training.recipes.masked import Masked, pruned_by_masks, size_below, straight_through
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, evened, numbers

_EVERY, _FRACTION, _UNTIL = 16, 0.3, 0.75  # steps between two changes, share that changes at first, and until when


def changing(done: float) -> float:
    """Which share changes places: alpha / 2 (1 + cos(pi t / T_end)), 0 after T_end (section 3, f_decay)."""
    return _FRACTION / 2 * (1 + math.cos(math.pi * done / _UNTIL)) if done < _UNTIL else 0.0


def drop_and_grow(mask: Tensor, size: Tensor, gradient: Tensor, share: float) -> Tensor:
    """The mask with `share` of what is open dropped, the smallest `size`, and as many grown, the largest `gradient`.

    All of one shape. Whatever is not open any more may grow, so that what was just dropped comes back where its
    gradient is among the largest (section 3, algorithm 1).
    """
    opened = mask.flatten() > 0
    moved = round(share * int(opened.sum()))
    dropped = size.flatten().masked_fill(~opened, math.inf).topk(moved, largest=False).indices
    stays = opened.index_fill(0, dropped, False)
    grown = gradient.flatten().masked_fill(stays, -math.inf).topk(moved).indices
    return stays.index_fill(0, grown, True).to(mask.dtype).view_as(mask)


class SparseWeights(Masked):
    """Masks over single weights, of each tensor the same share, the smallest closed at first."""

    def __init__(self, network: nn.Module, names: tuple[str, ...], share: float) -> None:
        super().__init__(network, names)
        for name, mask in self.masks.items():
            weight = network.get_parameter(name).detach()
            mask.copy_(weight.abs() > size_below(weight, share))

    def after_backward(self, network: nn.Module, at: Moment) -> None:
        """Change places now and then, while the gradient of what is closed is there; only what is open moves."""
        with torch.no_grad():
            for name, mask in self.masks.items():
                weight = network.get_parameter(name)
                assert weight.grad is not None
                if at.step % _EVERY == 0 and at.step:
                    new = drop_and_grow(mask, weight.abs(), weight.grad.abs(), changing(at.done))
                    weight.mul_(mask)  # what was closed and grows begins at zero
                    mask.copy_(new)
                weight.grad.mul_(mask)


class SparseChannels(Method):
    """The same with whole channels: as many of each group are open as the budgets leave."""

    open: Tensor

    def __init__(self, context: Context, masks: Sequence[Tensor]) -> None:
        super().__init__()
        self._channels = context.channels
        self.register_buffer("open", torch.cat(list(masks)))

    @property
    def masks(self) -> Sequence[Tensor]:
        """1 for each unit that is read, else 0, a tensor [units] a group."""
        return torch.split(self.open, list(self._channels.units))

    def tensors(self, network: nn.Module) -> dict[str, Tensor]:
        """The reading weights, masked."""
        masks = self._channels.spread(network, self.masks)
        return {name: straight_through(network.get_parameter(name), mask) for name, mask in masks.items()}

    def after_backward(self, network: nn.Module, at: Moment) -> None:
        """Change places now and then: channels by the norms of what reads them, and of its gradient."""
        if at.step % _EVERY == 0 and at.step:
            self._change(network, changing(at.done))
        for name, mask in self._channels.spread(network, self.masks).items():
            gradient = network.get_parameter(name).grad
            assert gradient is not None
            gradient.mul_(mask)

    def _change(self, network: nn.Module, share: float) -> None:
        gradients = {name: network.get_parameter(name).grad for name in self._channels.read_by}
        with torch.no_grad():
            sizes = self._channels.norms(network)
            slopes = self._channels.norms(network, {name: g for name, g in gradients.items() if g is not None})
            for name, mask in self._channels.spread(network, self.masks).items():
                network.get_parameter(name).mul_(mask)
            for mask, size, slope in zip(self.masks, sizes, slopes, strict=True):
                mask.copy_(drop_and_grow(mask, size, slope, share))


def prune_channels(context: Context) -> Pruned:
    """Every group keeps the same share of its channels, the largest such that the budgets hold."""
    feasible = context.feasible
    policy = feasible.scaled([0.5] * len(feasible.space))
    first = kept_units(evened(context.channels.norms(context.dense)), policy, feasible)
    masks = [torch.zeros(units) for units in context.traced.units]
    for mask, units in zip(masks, first, strict=True):
        mask[torch.from_numpy(units)] = 1
    method = SparseChannels(context, masks)
    trained = context.train(context.dense, context.spec.sparsifying, "pruning", method)
    return context.keep(trained, kept_units(numbers(method.masks), policy, feasible), policy)


def prune_weights(context: Context) -> Pruned:
    """Sparse weights first; then the channels that the fewest and smallest of them still read are cut."""
    return pruned_by_masks(context, SparseWeights(context.dense, context.channels.read_by, saved_share(context)))


RIGL = (
    Recipe(
        "rigl-channels",
        "during training",
        "channels drop by size and grow by gradient, their number fixed",
        "Evci et al., ICML 2020 (RigL), section 3, there of single weights",
        prune_channels,
    ),
    Recipe(
        "rigl-weights",
        "during training",
        "single weights drop by size and grow by gradient; channels that are hardly read are then cut",
        "Evci et al., ICML 2020 (RigL), section 3",
        prune_weights,
    ),
)
