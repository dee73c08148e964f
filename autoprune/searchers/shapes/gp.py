"""Bayesian search: a Gaussian process and the logarithm of its expected improvement, as in Optuna."""

from __future__ import annotations

from optuna.samplers import GPSampler
from pydantic import Field

from autoprune.searchers.generators import isolated
from autoprune.searchers.quiet import quiet_optuna
from autoprune.searchers.settings import Settings
from autoprune.searchers.shapes.suggested import Reading, search_suggested
from autoprune.trial import Problem


class GpSearcher(Settings):
    """A Gaussian process over the shape of the allocation; the first trial is the uniform policy, where none is known.

    Known trials are observations like its own, and count among the first `startup`. What a
    suggestion takes grows with the cube of the trials so far.
    """

    startup: int = Field(10, ge=1, description="random trials before the process is fitted")
    noise: bool = Field(False, description="whether to fit a noise of the rewards; a policy's is the same each time")

    @quiet_optuna()
    def search(self, problem: Problem) -> None:
        """Spend the problem's trials one after another."""
        with isolated(problem) as alone:
            deterministic = not self.noise
            sampler = GPSampler(n_startup_trials=self.startup, deterministic_objective=deterministic, seed=problem.seed)
            search_suggested(alone, sampler, Reading.shapes(alone))
