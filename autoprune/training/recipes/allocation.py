"""From one ranking over all channels to a policy that keeps the budgets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoprune.budget import Budget
from autoprune.cost import FloatArray, IntArray
from autoprune.feasible import FeasibleSet
from autoprune.space import ChannelGroup, Policy

_MOST_LEVELS = 4096  # how finely removal is tried out; more channels than this go several at a time


def allocate(scores: Sequence[FloatArray], feasible: FeasibleSet) -> Policy:
    """The policy left once so many units of the lowest `scores` are gone, of all groups together, that it is feasible.

    `scores` holds an array [units] a group, higher is more important. Of equal scores those go first that stand
    lower in their own group, so that groups that cannot be told apart shrink alike. A group keeps the largest
    offered width that its units left make up, and its smallest in any case.
    """
    group = np.repeat(np.arange(len(scores)), [len(own) for own in scores])
    standing = np.concatenate([(_ranks(own) + 0.5) / len(own) for own in scores])
    order = group[np.lexsort((standing, np.concatenate(scores)))]
    levels = np.unique(np.linspace(0, len(order), min(_MOST_LEVELS, len(order)) + 1).astype(int))
    candidates = np.stack([_widths(g, i, order, levels) for i, g in enumerate(feasible.space.groups)], axis=1)
    keeps = np.flatnonzero(feasible.mask(candidates))
    return Policy(tuple(candidates[keeps[0]].tolist())) if len(keeps) else feasible.space.smallest()


def kept_units(scores: Sequence[FloatArray], policy: Policy, feasible: FeasibleSet) -> list[IntArray]:
    """The units of each group that `policy` has room for: those of the highest scores, in ascending order."""
    groups = zip(scores, policy.widths, feasible.space.groups, strict=True)
    return [np.sort(np.argsort(own, kind="stable")[len(own) - width // g.unit :]) for own, width, g in groups]


def loosened(feasible: FeasibleSet, share: float) -> FeasibleSet:
    """Budgets of which only the `share` in [0, 1] has to be saved yet: 0 asks for nothing, 1 is `feasible` itself."""
    dense = feasible.cost.cost(feasible.space.dense())
    budgets = [
        Budget(b.metric, limit) if (limit := dense.of(b.metric) * (1 - share) + b.limit * share) > b.limit else b
        for b in feasible.budgets
    ]
    return FeasibleSet(feasible.space, feasible.cost, budgets, feasible.elsewhere if share >= 1 else ())


def _ranks(scores: FloatArray) -> IntArray:
    """Where each of `scores` stands among them, from 0 for the lowest."""
    return np.argsort(np.argsort(scores, kind="stable"), kind="stable")


def _widths(group: ChannelGroup, number: int, order: IntArray, levels: IntArray) -> IntArray:
    """The group's width [levels] once the first units of `order` are gone, as many as each level says."""
    gone = np.concatenate([[0], np.cumsum(order == number)])[levels]
    offered = np.array(group.widths)
    return offered[np.maximum(0, np.searchsorted(offered, group.width - gone * group.unit, side="right") - 1)]
