"""Twin delayed DDPG on AMC's environment (Fujimoto et al., ICML 2018)."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from stable_baselines3 import TD3
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from autoprune.searchers.reinforcement.ddpg import DdpgSearcher
from autoprune.searchers.reinforcement.episodes import Env
from autoprune.searchers.reinforcement.exploration import AmcPolicy


class Td3Searcher(DdpgSearcher):
    """DDPG with two critics, the lesser of which counts, a slower actor and smoothed targets; explores as AMC does."""

    policy_delay: int = Field(2, ge=1, description="critic steps between two steps of the actor")
    target_noise: float = Field(0.1, ge=0, description="standard deviation of the noise on target actions, kept ratio")
    target_clip: float = Field(0.25, ge=0, description="largest such noise, in kept ratio")

    def _agent(self, env: Env, **settings: Any) -> OffPolicyAlgorithm:
        # The networks' actions span [-1, 1], twice as wide as kept ratios.
        return TD3(
            AmcPolicy,
            env,
            policy_delay=self.policy_delay,
            target_policy_noise=2 * self.target_noise,
            target_noise_clip=2 * self.target_clip,
            policy_kwargs={"net_arch": list(self.hidden), "noise": self.noise},
            **settings,
        )
