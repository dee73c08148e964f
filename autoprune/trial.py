"""One scored policy, and the problem that a searcher sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from autoprune.cost import Cost, FloatArray
from autoprune.errors import BadInput
from autoprune.feasible import FeasibleSet
from autoprune.features import GroupFeatures
from autoprune.objective import Quality
from autoprune.space import Policy, SearchSpace


@dataclass(frozen=True, slots=True)
class Trial:
    """One scored policy; `number` counts from 0 in the order the searcher asked."""

    number: int
    policy: Policy
    quality: Quality
    cost: Cost
    reward: float

    @property
    def rank_key(self) -> tuple[float, int]:
        """Sorts trials from worst to best: by reward (NaN is worst), earlier ones win ties."""
        return (self.reward if math.isfinite(self.reward) else -math.inf, -self.number)


Evaluate = Callable[[Sequence[Policy]], list[Trial]]


@dataclass(frozen=True, eq=False)
class Problem:
    """All a searcher sees: where it may look, how to score, how often, its seed, and what is known beforehand.

    `evaluate` scores policies and returns one trial each, in order; every policy handed to it
    counts as a trial, known or not, and `trials` is how many the search has in all.

    What may be left empty, for searchers that need none of it: `layers` describes the layer that
    produces each group, for agents with a state. `damages` says per group what cutting that group
    alone is expected to cost: an array [len(group.widths)], 0 at the dense width, nowhere rising
    with the width, in a unit that all groups share (such as the relative error of the layers that
    read the group). `known` are the trials of another search to start from; their policies may
    break the budgets of this one.
    """

    feasible: FeasibleSet
    evaluate: Evaluate
    trials: int
    seed: int
    layers: tuple[GroupFeatures, ...] = ()
    damages: tuple[FloatArray, ...] = ()
    known: tuple[Trial, ...] = ()

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise BadInput(f"a search needs at least 1 trial, got {self.trials}")
        if not self.space.groups:
            raise BadInput("the network has no prunable channel group, so there is nothing to search")
        if self.layers and len(self.layers) != len(self.space):
            raise BadInput(f"expected one GroupFeatures a group ({len(self.space)}), got {len(self.layers)}")
        if self.damages:
            self._check_damages()
        for trial in self.known:
            self.space.check(trial.policy)

    def _check_damages(self) -> None:
        if len(self.damages) != len(self.space):
            raise BadInput(f"expected one array of damages a group ({len(self.space)}), got {len(self.damages)}")
        for group, damage in zip(self.space.groups, self.damages, strict=True):
            if damage.shape != (len(group.widths),):
                raise BadInput(
                    f"group {group.name}: expected one damage a width ({len(group.widths)}), got {list(damage.shape)}"
                )
            if not np.isfinite(damage).all() or damage[-1] != 0 or (np.diff(damage) > 0).any():
                raise BadInput(
                    f"group {group.name}: damages are finite, 0 at the dense width and nowhere rise with the width, "
                    f"got {damage.tolist()}"
                )

    @property
    def space(self) -> SearchSpace:
        """The channel groups and the widths they offer."""
        return self.feasible.space


class Searcher(Protocol):
    """Finds good policies: same problem and seed, same trials; proposes nothing over budget."""

    def search(self, problem: Problem) -> None:
        """Spend `problem.trials` evaluations; the trials are kept by whoever made the problem."""
        ...
