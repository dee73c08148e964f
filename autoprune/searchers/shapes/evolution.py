"""Evolution strategy: CMA-ES over the shape of the allocation."""

from __future__ import annotations

import math

import cmaes
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from autoprune.cost import FloatArray
from autoprune.searchers.settings import Settings
from autoprune.searchers.shapes.shape import shape_of
from autoprune.searchers.start import Start, first_trial
from autoprune.trial import Problem, Trial


class EvolutionSearcher(Settings):
    """A normal distribution of shapes that adapts to its best samples; its first mean is the first trial.

    That is the best known trial, around which the first step is smaller; where none is known, `start`.
    """

    start: Start = Field("uniform", description="first trial where none is known: uniform, or knapsack")
    sigma0: float = Field(0.15, gt=0, le=1, description="first step size, in kept ratio")
    sigma0_known: float = Field(0.05, gt=0, le=1, description="first step size around known trials or the knapsack's")
    population: int | None = Field(None, ge=2, description="policies a generation; 4 + 3 ln(groups) where not given")

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials, a generation at a time.

        Where CMA-ES has converged it starts anew with twice the population (IPOP-CMA-ES, Auger and
        Hansen, CEC 2005).
        """
        first, left = first_trial(problem, self.start)
        mean = np.array(shape_of(problem, first.policy))
        population, restarts = self._population(problem), 0
        while left:
            optimizer = self._optimizer(problem, mean, population, restarts)
            while left and not optimizer.should_stop():
                count = min(left, population)
                shapes = [optimizer.ask() for _ in range(count)]
                trials = problem.evaluate([problem.feasible.scaled(shape.tolist()) for shape in shapes])
                left -= count
                if count == population:
                    optimizer.tell(list(zip(shapes, _losses(trials), strict=True)))
            population, restarts = 2 * population, restarts + 1

    def _population(self, problem: Problem) -> int:
        # the default of Hansen, The CMA Evolution Strategy: A Tutorial (2016)
        return self.population or 4 + math.floor(3 * math.log(len(problem.space)))

    def _optimizer(self, problem: Problem, mean: FloatArray, population: int, restarts: int) -> cmaes.CMA:
        informed = problem.known or self.start == "knapsack"
        return cmaes.CMA(
            mean=mean,
            sigma=self.sigma0_known if informed else self.sigma0,
            bounds=np.tile([0.0, 1.0], (len(mean), 1)),
            seed=np.random.SeedSequence([problem.seed, restarts]).generate_state(1)[0],
            population_size=population,
        )


def _losses(trials: list[Trial]) -> NDArray[np.float64]:
    """What CMA-ES minimises [n]: only ranks count, so a reward that is not finite is put behind the worst."""
    rewards = np.array([trial.reward for trial in trials])
    finite = rewards[np.isfinite(rewards)]
    worst = finite.min() - 1.0 if len(finite) else 0.0
    return -np.where(np.isfinite(rewards), rewards, worst)
