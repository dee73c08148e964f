"""Pruning until a bound on the accuracy, or a rate of compression, is reached."""

from __future__ import annotations

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.errors import BadInput
from autoprune.feasible import FeasibleSet
from autoprune.training.checkpoint import judge
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, Scores

_HALVINGS = 5  # the smallest network is known to a thirty-second of what there is to save


def within_tolerance(context: Context) -> Pruned:
    """The smallest network, by halving, that loses no more than the tolerance on the images that judge.

    It keeps the budgets in any case: where even the largest network that keeps them loses more, that one is it.
    """
    if context.data.judging is None:
        raise BadInput("accuracy can be preserved only where a split judges it; give Data(judging=...)")
    least = judge(context.dense, context.data.judging, context.data.score)[0] - context.spec.tolerance
    scores = context.importance(context.dense)
    best = context.cut(context.dense, scores)
    fine, coarse = 1.0, 0.0
    for _ in range(_HALVINGS):
        middle = (fine + coarse) / 2
        tried = context.cut(context.dense, scores, tightened(context.feasible, middle))
        if judge(tried.network, context.data.judging, context.data.score)[0] >= least:
            fine, best = middle, tried
        else:
            coarse = middle
    return best


def tightened(feasible: FeasibleSet, share: float) -> FeasibleSet:
    """Limits that lie the `share` in [0, 1] of the way from what the smallest network costs to what they are."""
    smallest = feasible.cost.cost(feasible.space.smallest())
    budgets = [Budget(b.metric, smallest.of(b.metric) * (1 - share) + b.limit * share) for b in feasible.budgets]
    return feasible.within(budgets)


def compressed(context: Context) -> Pruned:
    """The network whose parameters are one part in `compression` of the dense one's, or fewer where budgets ask it."""
    feasible = context.feasible.within([Budget(Metric.PARAMS, 1 / context.spec.compression, relative=True)])
    scores: Scores = context.importance(context.dense)
    return context.cut(context.dense, scores, feasible)


PRESERVING = (
    Recipe(
        "accuracy-tolerance",
        "accuracy-preserving",
        "the smallest network, by bisection, that loses no more than a tolerance",
        "He et al., ECCV 2018 (AMC: accuracy-guaranteed compression), bisected instead of searched",
        within_tolerance,
    ),
    Recipe(
        "compression-rate",
        "accuracy-preserving",
        "the network with a wanted rate of compression",
        "Blalock et al., MLSys 2020 (What Is the State of Neural Network Pruning?)",
        compressed,
    ),
)
