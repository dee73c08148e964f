"""Evolutionary search: CMA-ES, or the genetic algorithm NSGA-II."""

from __future__ import annotations

import math
from typing import Literal

import cmaes
import numpy as np
from numpy.typing import NDArray
from optuna.samplers import NSGAIISampler
from pydantic import Field

from autoprune.searchers.quiet import quiet_optuna
from autoprune.searchers.settings import Settings
from autoprune.searchers.shapes import MIDDLE, search_shapes, uniform_policy
from autoprune.trial import Problem, Trial


class EvolutionSearcher(Settings):
    """A population of allocation shapes that adapts to its best members; the first trial is the uniform policy."""

    sampler: Literal["cmaes", "nsga2"] = Field("cmaes", description="CMA-ES, or a genetic algorithm")
    sigma0: float = Field(0.15, gt=0, le=1, description="first step size of CMA-ES, in kept ratio")
    population: int | None = Field(None, ge=2, description="policies a generation; 4 + 3 ln(groups) where not given")

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials, a generation at a time."""
        if self.sampler == "nsga2":
            self._nsga2(problem)
        else:
            self._cmaes(problem)

    def _population(self, problem: Problem) -> int:
        # Hansen, The CMA Evolution Strategy: A Tutorial (2016), eq. 48
        return self.population or 4 + math.floor(3 * math.log(len(problem.space)))

    @quiet_optuna()
    def _nsga2(self, problem: Problem) -> None:
        population = self._population(problem)
        search_shapes(problem, NSGAIISampler(population_size=population, seed=problem.seed), population)

    def _cmaes(self, problem: Problem) -> None:
        """CMA-ES around the uniform shape; where it has converged it starts anew with twice the population.

        Restarts: IPOP-CMA-ES (Auger and Hansen, CEC 2005).
        """
        problem.evaluate([uniform_policy(problem)])
        left, population, restarts = problem.trials - 1, self._population(problem), 0
        while left:
            optimizer = self._optimizer(problem, population, restarts)
            while left and not optimizer.should_stop():
                count = min(left, population)
                shapes = [optimizer.ask() for _ in range(count)]
                trials = problem.evaluate([problem.feasible.scaled(shape.tolist()) for shape in shapes])
                left -= count
                if count == population:
                    optimizer.tell(list(zip(shapes, _losses(trials), strict=True)))
            population, restarts = 2 * population, restarts + 1

    def _optimizer(self, problem: Problem, population: int, restarts: int) -> cmaes.CMA:
        n = len(problem.space)
        return cmaes.CMA(
            mean=np.full(n, MIDDLE),
            sigma=self.sigma0,
            bounds=np.tile([0.0, 1.0], (n, 1)),
            seed=np.random.SeedSequence([problem.seed, restarts]).generate_state(1)[0],
            population_size=population,
        )


def _losses(trials: list[Trial]) -> NDArray[np.float64]:
    """What CMA-ES minimises [n]: only ranks count, so a reward that is not finite is put behind the worst."""
    rewards = np.array([trial.reward for trial in trials])
    finite = rewards[np.isfinite(rewards)]
    worst = finite.min() - 1.0 if len(finite) else 0.0
    return -np.where(np.isfinite(rewards), rewards, worst)
