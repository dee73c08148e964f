"""Bayesian search: the multivariate tree-structured Parzen estimator of Optuna."""

from __future__ import annotations

from optuna.samplers import TPESampler
from pydantic import Field

from autoprune.searchers.quiet import quiet_optuna
from autoprune.searchers.settings import Settings
from autoprune.searchers.shapes.suggested import Reading, search_suggested
from autoprune.trial import Problem


class TpeSearcher(Settings):
    """TPE over the shape of the allocation; the first trial is the uniform policy, where none is known.

    Known trials are observations like its own, and count among the first `startup`.
    """

    startup: int = Field(10, ge=1, description="random trials before the estimator is used")
    candidates: int = Field(24, ge=1, description="samples among which the expected improvement is maximised")

    @quiet_optuna()
    def search(self, problem: Problem) -> None:
        """Spend the problem's trials one after another."""
        sampler = TPESampler(
            n_startup_trials=self.startup,
            n_ei_candidates=self.candidates,
            multivariate=True,
            constant_liar=False,
            seed=problem.seed,
        )
        search_suggested(problem, sampler, Reading.shapes(problem))
