"""Multi-objective search: NSGA-II (Deb et al., 2002) for the front of reward against cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from optuna import Study
from optuna.samplers import NSGAIISampler
from optuna.samplers.nsgaii import BLXAlphaCrossover
from optuna.trial import FrozenTrial
from pydantic import Field

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.searchers.quiet import quiet_optuna
from autoprune.searchers.settings import Settings
from autoprune.searchers.shapes.shape import shape_of
from autoprune.searchers.shapes.suggested import Reading, search_suggested
from autoprune.searchers.start import observed
from autoprune.space import Policy
from autoprune.trial import Problem, Trial


class Nsga2Searcher(Settings):
    """A population of allocations that spreads along the front of reward against cost, within the budgets.

    The cost is the first budget's metric (MACs where there is no budget). A member is the shape of an
    allocation and the share of that budget which it spends. The first trial is the uniform policy, or
    the best that is known; known trials are the generation before the first.
    """

    population: int = Field(14, ge=2, description="policies a generation")
    crossover: float = Field(0.9, ge=0, le=1, description="probability that a child has two parents")
    alpha: float = Field(0.5, ge=0, description="how far beyond its parents a child may lie, in distances between them")
    mutation: float | None = Field(None, ge=0, le=1, description="probability of a new ratio; 1 / groups if not given")

    @quiet_optuna()
    def search(self, problem: Problem) -> None:
        """Spend the problem's trials one after another, a generation a population."""
        known = len(observed(problem))
        make = partial(AfterKnown, known) if known else NSGAIISampler
        sampler = make(
            population_size=self.population,
            crossover_prob=self.crossover,
            crossover=BLXAlphaCrossover(self.alpha),
            mutation_prob=self.mutation,
            seed=problem.seed,
        )
        search_suggested(problem, sampler, _front(problem), objectives=2)


def _front(problem: Problem) -> Reading:
    """Numbers are a shape and how much of the first budget it spends; the values are the reward and what is saved."""
    feasible = problem.feasible
    metric = feasible.budgets[0].metric if feasible.budgets else Metric.MACS
    least, dense = (feasible.cost.cost(p).of(metric) for p in (problem.space.smallest(), problem.space.dense()))
    most = min([dense, *(budget.limit for budget in feasible.budgets[:1])])

    def numbers(policy: Policy) -> list[float]:
        cost = feasible.cost.cost(policy).of(metric)
        return [*shape_of(problem, policy), (cost - least) / (most - least) if most > least else 1.0]

    def policy(numbers: Sequence[float]) -> Policy:
        *shape, spent = numbers
        return feasible.within([Budget(metric, least + spent * (most - least))]).scaled(shape)

    def values(trial: Trial) -> list[float]:
        return [trial.reward, -trial.cost.of(metric)]

    names = tuple(group.name for group in problem.space.groups)
    return Reading((*names, "spent"), numbers, policy, values)


class AfterKnown(NSGAIISampler):
    """NSGA-II whose generation 0 are the first `known` trials of the study: its own generations count from 1."""

    def __init__(self, known: int, **options: Any) -> None:
        super().__init__(**options)
        self._known = known

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        """The generation of `trial`."""
        return 1 + int(super().get_trial_generation(study, trial))

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """The trials of a generation."""
        if generation == 0:
            return list(study.get_trials(deepcopy=False)[: self._known])
        return list(super().get_population(study, generation - 1))
