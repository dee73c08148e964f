"""Rewards: each named equation against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from autoprune.cost import Cost
from autoprune.errors import BadInput
from autoprune.objective import REWARDS, Objective, Quality

QUALITY = Quality(score=0.75, agreement=0.875, kl=0.25)
COST = Cost(macs=50.0, params=10.0, peak_memory_bytes=4.0)


@pytest.mark.parametrize(
    ("name", "reward"),
    [
        ("accuracy", 0.75),
        ("R_err", -0.25),
        ("R_FLOPs", -0.25 * math.log(100)),
        ("R_param", -0.25 * math.log(10)),
        ("agreement", 0.875),
        ("kl", -0.25),
    ],
)
def test_each_equation(name: str, reward: float) -> None:
    assert Objective(name).reward(QUALITY, COST) == pytest.approx(reward)


@pytest.mark.parametrize("name", REWARDS)
def test_a_better_network_of_the_same_cost_never_earns_less(name: str) -> None:
    better = Quality(score=0.8, agreement=0.9, kl=0.2)
    assert Objective(name).reward(better, COST) > Objective(name).reward(QUALITY, COST)


@pytest.mark.parametrize("name", ["R_FLOPs", "R_param"])
def test_rewards_that_know_the_cost_prefer_the_cheaper_network(name: str) -> None:
    cheaper = Cost(macs=25.0, params=5.0, peak_memory_bytes=4.0)
    assert Objective(name).reward(QUALITY, cheaper) > Objective(name).reward(QUALITY, COST)


def test_an_unknown_reward_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match="unknown reward 'speed'; choose from accuracy, R_err"):
        Objective("speed")
