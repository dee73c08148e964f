"""Dynamic network surgery: single weights are pruned and spliced back as training goes on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autoprune.training.method import Moment
from autoprune.training.recipes.gates import saved_share
from autoprune.training.recipes.masked import Masked, pruned_by_masks, size_below
from autoprune.training.recipes.recipe import Context, Pruned, Recipe
from autoprune.training.schedules import cubic

_EVERY, _UNSURE = 16, 0.1  # steps between two surgeries; thresholds lie so far to either side of the wanted share


def surgery(weight: Tensor, mask: Tensor, threshold: float) -> Tensor:
    """The mask after one surgery: closed below a = 0.9 t, open from b = 1.1 t, as it was in between."""
    size = weight.abs()
    spliced = torch.where(size >= (1 + _UNSURE) * threshold, torch.ones_like(mask), mask)
    return torch.where(size < (1 - _UNSURE) * threshold, torch.zeros_like(mask), spliced)


class Surgery(Masked):
    """Masked weights go on learning, so that one that was cut by mistake can grow back over the threshold.

    The threshold t follows from the share that is to go, on a cubic schedule. In the authors' code it is the layer's
    mean |w| at first plus some of its deviations, and surgeries become rarer.
    """

    def __init__(self, network: nn.Module, names: tuple[str, ...], share: float) -> None:
        super().__init__(network, names)
        self._share = share

    def after_step(self, network: nn.Module, at: Moment) -> None:
        """Operate every so many steps; the threshold is what the share that is to go does not exceed."""
        if at.step % _EVERY:
            return
        with torch.no_grad():
            for name, mask in self.masks.items():
                weight = network.get_parameter(name)
                mask.copy_(surgery(weight, mask, size_below(weight, cubic(self._share, at.done))))


def prune(context: Context) -> Pruned:
    """Sparse weights first; then the channels that the fewest and smallest of them still read are cut."""
    return pruned_by_masks(context, Surgery(context.dense, context.channels.read_by, saved_share(context)))


SURGERY = Recipe(
    "dynamic-surgery",
    "during training",
    "prune single weights and splice them back; channels that are hardly read any more are then cut",
    "Guo, Yao & Chen, NIPS 2016 (Dynamic Network Surgery)",
    prune,
)
