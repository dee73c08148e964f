from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
from searcher_contract import SearcherContract
from toy import toy_feasible, toy_problem, toy_quality

from autoprune.errors import BadInput
from autoprune.searchers.evolution import EvolutionSearcher
from autoprune.space import Policy
from autoprune.trial import Trial

UNIFORM = toy_feasible("macs=0.4x").scaled([0.5] * 5)


class Evolution(SearcherContract):
    name = "evolution"

    def test_starts_with_the_uniform_policy(self) -> None:
        assert self.found("macs=0.4x")[0].policy == UNIFORM

    def test_beats_the_uniform_policy(self) -> None:
        kept: list[Trial] = []
        self.search(toy_problem("macs=0.4x", trials=60, kept=kept))
        assert max(trial.reward for trial in kept) > toy_quality(UNIFORM).score + 0.08

    def test_learns(self) -> None:
        """The last generations are better than the first ones, on average."""
        kept: list[Trial] = []
        self.search(toy_problem("macs=0.4x", trials=120, kept=kept))
        rewards = [trial.reward for trial in kept]
        assert sum(rewards[-24:]) / 24 > sum(rewards[1:25]) / 24 + 0.05


class TestCmaEs(Evolution):
    pass


class TestNsga2(Evolution):
    settings: ClassVar = {"sampler": "nsga2", "population": 8}


def test_a_converged_population_starts_anew_with_twice_the_size() -> None:
    """With the same reward for all, CMA-ES stops early; the trials are spent on restarts all the same."""
    asked: list[int] = []
    problem = toy_problem("macs=0.4x", trials=400)
    evaluate = problem.evaluate

    def flat(policies: Sequence[Policy]) -> list[Trial]:
        asked.append(len(policies))
        return [replace(trial, reward=0.5) for trial in evaluate(policies)]

    EvolutionSearcher(population=4).search(replace(problem, evaluate=flat))
    assert sum(asked) == 400
    assert {4, 8} < set(asked)


@pytest.mark.parametrize("settings", [{"sampler": "annealing"}, {"sigma0": 0}, {"population": 1}, {"sigma": 0.1}])
def test_illegal_settings_are_named(settings: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=next(iter(settings))):
        EvolutionSearcher(**settings)
