"""Everything that is to go goes at once, then the network recovers."""

from __future__ import annotations

from autoprune.training.recipes.recipe import Context, Pruned, Recipe


def prune(context: Context) -> Pruned:
    """The channels that a refit makes up for least are kept: backward elimination, over all groups together.

    The paper ranks filters by their L1 norms, layer by layer.
    """
    return context.cut(context.dense, context.importance(context.dense))


ONE_SHOT = Recipe(
    "one-shot",
    "after training",
    "prune the trained network once, then fine-tune",
    "Li et al., ICLR 2017 (Pruning Filters for Efficient ConvNets), section 3.4",
    prune,
)
