"""Evolution with mutation and crossover in policy space, where age decides who dies (Real et al., AAAI 2019)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from autoprune.cost import FloatArray
from autoprune.searchers.settings import Settings
from autoprune.searchers.start import Start, first_trial, observed
from autoprune.space import Policy
from autoprune.trial import Problem, Trial


class GeneticSearcher(Settings):
    """Regularised evolution: the best of a random sample has a child, which takes the place of the oldest.

    The first members are known trials, the best of them, or policies of random shape around the
    first trial (the best known, or `start`). A child is fitted to the budgets by scaling its ratios.
    """

    start: Start = Field("uniform", description="first trial where none is known: uniform, or knapsack")
    population: int = Field(20, ge=2, description="members that live at a time")
    sample: int = Field(5, ge=1, description="members drawn at random, of which the best is a parent")
    crossover: float = Field(0.5, ge=0, le=1, description="probability that a child has two parents")
    mutation: float = Field(2.0, gt=0, description="groups of a child that mutate, on average")
    step: float = Field(0.2, gt=0, description="standard deviation of a mutation, in kept ratio")

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials: a first population, then one child after another."""
        generator = np.random.default_rng(problem.seed)
        first, left = first_trial(problem, self.start)
        known = sorted(observed(problem), key=lambda trial: trial.rank_key)  # the better die later
        members = deque([trial for trial in known if trial != first] + [first], maxlen=self.population)
        founders = min(left, self.population - len(members))
        if founders:
            shapes = generator.random((founders, len(problem.space)))
            members.extend(problem.evaluate([problem.feasible.scaled(shape.tolist()) for shape in shapes]))
        for _ in range(left - founders):
            members.extend(problem.evaluate([self._child(problem, members, generator)]))

    def _child(self, problem: Problem, members: Sequence[Trial], generator: np.random.Generator) -> Policy:
        ratios = self._parent(problem, members, generator)
        if generator.random() < self.crossover:
            other = self._parent(problem, members, generator)
            ratios = np.where(generator.random(len(ratios)) < 0.5, ratios, other)
        mutates = generator.random(len(ratios)) < self.mutation / len(ratios)
        if not mutates.any():
            mutates[generator.integers(len(ratios))] = True
        steps = np.where(mutates, generator.normal(0, self.step, len(ratios)), 0)
        return problem.feasible.scaled(np.clip(ratios + steps, 0, 1).tolist())

    def _parent(self, problem: Problem, members: Sequence[Trial], generator: np.random.Generator) -> FloatArray:
        """Kept ratios [groups] of the best of a sample."""
        drawn = generator.choice(len(members), size=min(self.sample, len(members)), replace=False)
        best = max((members[int(i)] for i in drawn), key=lambda trial: trial.rank_key)
        return np.array(problem.space.ratios(best.policy))
