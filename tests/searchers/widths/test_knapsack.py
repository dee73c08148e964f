from __future__ import annotations

from dataclasses import replace

import pytest
from searcher_contract import InformedContract
from toy import DEEP, TOY, toy_problem

from autoprune.errors import BadInput
from autoprune.searchers.start import knapsack_policy
from autoprune.searchers.widths.knapsack import KnapsackSearcher
from autoprune.trial import Trial

# Damages that take the two sensitive groups for harmless.
MISJUDGED = replace(TOY, foreseen=(0.3, 0.02, 0.3, 0.02, 0.3))


class TestKnapsack(InformedContract):
    name = "knapsack"
    chain = MISJUDGED


def test_the_first_trial_is_the_least_damage_that_is_foreseen() -> None:
    kept: list[Trial] = []
    problem = toy_problem("latency=0.5x", trials=3, kept=kept)
    KnapsackSearcher().search(problem)
    assert kept[0].policy == knapsack_policy(problem)


def test_the_first_trials_are_one_an_exponent() -> None:
    """Damages that are raised to a power ask for the policy that the raised damages themselves ask for."""
    kept: list[Trial] = []
    problem = toy_problem("macs=0.3x", trials=2, kept=kept)
    KnapsackSearcher(exponents=(1.0, 3.0)).search(problem)
    cubed = replace(problem, damages=tuple(d**3 for d in problem.damages))
    assert [t.policy for t in kept] == [knapsack_policy(problem), knapsack_policy(cubed)]
    assert kept[0].policy != kept[1].policy


def test_it_learns_what_was_foreseen_wrongly() -> None:
    """The first trials pay for it, the later ones hardly."""
    kept: list[Trial] = []
    KnapsackSearcher().search(MISJUDGED.problem("macs=0.4x", trials=60, kept=kept))
    right: list[Trial] = []
    KnapsackSearcher().search(toy_problem("macs=0.4x", trials=60, kept=right))
    rewards = [trial.reward for trial in kept]
    assert rewards[0] < 0.8
    assert max(rewards) > max(t.reward for t in right) - 0.01


def test_policies_are_not_asked_for_twice() -> None:
    kept: list[Trial] = []
    KnapsackSearcher().search(DEEP.problem("macs=0.4x", trials=60, kept=kept))
    assert len({trial.policy for trial in kept}) >= 55


def test_damages_are_demanded() -> None:
    problem = replace(toy_problem("macs=0.4x"), damages=())
    with pytest.raises(BadInput, match="give the problem its `damages`"):
        KnapsackSearcher().search(problem)
