"""Informed searchers against random search at equal trials, on a made-up network with as many groups as a real one."""

from __future__ import annotations

import numpy as np
import pytest
from toy import DEEP

from autoprune.searchers.agents import load_agent, make_searcher
from autoprune.trial import Trial

SEEDS = range(3)
TRIALS = 60


def best(agent: str, seed: int, trials: int = TRIALS) -> float:
    kept: list[Trial] = []
    make_searcher(load_agent(agent)).search(DEEP.problem("macs=0.4x", trials=trials, seed=seed, kept=kept))
    return max(trial.reward for trial in kept)


@pytest.fixture(scope="module")
def by_chance() -> list[float]:
    return [best("random", seed) for seed in SEEDS]


@pytest.mark.parametrize(
    "agent",
    ["evolution", "tpe", "gp", "knapsack", "sensitivity", "netadapt", "annealing", "genetic", "evolution+knapsack"],
)
def test_informed_searchers_beat_random_search(agent: str, by_chance: list[float]) -> None:
    trials = 30 if agent == "gp" else TRIALS  # half will do
    found = [best(agent, seed, trials) for seed in SEEDS]
    assert all(a > b for a, b in zip(found, by_chance, strict=True))
    assert np.mean(found) > np.mean(by_chance) + 0.01


@pytest.mark.parametrize("agent", ["amc-ddpg", "td3", "sac", "ppo", "nsga2"])
def test_warm_started_any_searcher_beats_random_search(agent: str, by_chance: list[float]) -> None:
    """Alone, sixty trials are too few for these, and most of NSGA-II's go to cheaper networks."""
    assert best(f"{agent}+knapsack", seed=0, trials=24) > by_chance[0] + 0.01


def test_knapsack_is_the_best_of_them() -> None:
    """It has the most to go by: damages, costs and rewards."""
    others = [np.mean([best(agent, seed) for seed in SEEDS]) for agent in ("evolution", "tpe", "genetic", "netadapt")]
    assert np.mean([best("knapsack", seed) for seed in SEEDS]) > max(others)
