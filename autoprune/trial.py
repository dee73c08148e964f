"""One scored policy, and the problem that a searcher sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoprune.cost import Cost
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


@dataclass(frozen=True)
class Problem:
    """All a searcher sees: where it may look, how to score, how often, its seed, and what the layers look like.

    `evaluate` scores policies and returns one trial each, in order; every policy handed to it
    counts as a trial, known or not, and `trials` is how many the search has in all. `layers`
    describes the layer that produces each group, for agents with a state; it may be empty for others.
    """

    feasible: FeasibleSet
    evaluate: Evaluate
    trials: int
    seed: int
    layers: tuple[GroupFeatures, ...] = ()

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise BadInput(f"a search needs at least 1 trial, got {self.trials}")
        if not self.space.groups:
            raise BadInput("the network has no prunable channel group, so there is nothing to search")
        if self.layers and len(self.layers) != len(self.space):
            raise BadInput(f"expected one GroupFeatures a group ({len(self.space)}), got {len(self.layers)}")

    @property
    def space(self) -> SearchSpace:
        """The channel groups and the widths they offer."""
        return self.feasible.space


class Searcher(Protocol):
    """Finds good policies: same problem and seed, same trials; proposes nothing over budget."""

    def search(self, problem: Problem) -> None:
        """Spend `problem.trials` evaluations; the trials are kept by whoever made the problem."""
        ...
