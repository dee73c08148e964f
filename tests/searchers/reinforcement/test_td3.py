from __future__ import annotations

from typing import ClassVar

from searcher_contract import InformedContract
from stable_baselines3 import TD3
from toy import toy_problem

from autoprune.env import ChannelPruningEnv
from autoprune.searchers.generators import preserved_generators
from autoprune.searchers.reinforcement.td3 import Td3Searcher
from autoprune.trial import Trial


class TestTd3(InformedContract):
    name = "td3"
    settings: ClassVar = {"hidden": (16, 16), "batch": 16}

    def test_learns(self) -> None:
        """After the warm-up's random policies, the agent's are better."""
        kept: list[Trial] = []
        Td3Searcher(hidden=(64, 64)).search(toy_problem("macs=0.4x", trials=200, seed=1, kept=kept))
        rewards = [trial.reward for trial in kept]
        assert sum(rewards[-40:]) / 40 > sum(rewards[:40]) / 40 + 0.1


def test_noises_are_given_in_kept_ratio() -> None:
    """The networks' actions span [-1, 1], so the paper's 0.2 and 0.5 are 0.1 and 0.25 here."""
    with preserved_generators():
        env = ChannelPruningEnv(toy_problem("macs=0.4x"))
        agent = Td3Searcher()._agent(env, buffer_size=10, device="cpu")
    assert isinstance(agent, TD3)
    assert (agent.target_policy_noise, agent.target_noise_clip, agent.policy_delay) == (0.2, 0.5, 2)
