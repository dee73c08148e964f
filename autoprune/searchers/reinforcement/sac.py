"""Soft actor-critic on AMC's environment (Haarnoja et al., 2018)."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from stable_baselines3 import SAC
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from autoprune.searchers.reinforcement.episodes import Env
from autoprune.searchers.reinforcement.off_policy import OffPolicySearcher


class SacSearcher(OffPolicySearcher):
    """A stochastic actor that is also rewarded for its entropy; the temperature of that reward is learned."""

    temperature: float = Field(0.1, gt=0, description="first weight of the entropy, in units of reward")

    def _agent(self, env: Env, **settings: Any) -> OffPolicyAlgorithm:
        return SAC(
            "MlpPolicy",
            env,
            ent_coef=f"auto_{self.temperature}",
            policy_kwargs={"net_arch": list(self.hidden)},
            **settings,
        )
