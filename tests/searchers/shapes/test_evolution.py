from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from searcher_contract import UNIFORM, FromUniformContract
from toy import toy_problem

from autoprune.errors import BadInput
from autoprune.searchers.shapes.evolution import EvolutionSearcher
from autoprune.searchers.start import knapsack_policy
from autoprune.space import Policy
from autoprune.trial import Trial


class TestEvolution(FromUniformContract):
    name = "evolution"

    def test_learns(self) -> None:
        """The last generations are better than the first ones, on average."""
        kept: list[Trial] = []
        self.search(toy_problem("macs=0.4x", trials=120, kept=kept))
        rewards = [trial.reward for trial in kept]
        assert sum(rewards[-24:]) / 24 > sum(rewards[1:25]) / 24 + 0.05


def test_it_may_start_at_the_knapsacks_policy() -> None:
    kept: list[Trial] = []
    problem = toy_problem("macs=0.4x", trials=9, kept=kept)
    EvolutionSearcher(start="knapsack").search(problem)
    assert kept[0].policy == knapsack_policy(problem) != UNIFORM
    with pytest.raises(BadInput, match="give the problem its `damages`"):
        EvolutionSearcher(start="knapsack").search(replace(problem, damages=()))


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


@pytest.mark.parametrize("settings", [{"start": "anywhere"}, {"sigma0": 0}, {"population": 1}, {"sigma": 0.1}])
def test_illegal_settings_are_named(settings: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=next(iter(settings))):
        EvolutionSearcher(**settings)
