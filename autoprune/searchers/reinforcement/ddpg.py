"""AMC's agent: deep deterministic policy gradient, one kept ratio at a time (He et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field
from stable_baselines3 import DDPG
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from autoprune.searchers.reinforcement.episodes import Env
from autoprune.searchers.reinforcement.exploration import AmcPolicy, NoiseDecay
from autoprune.searchers.reinforcement.off_policy import OffPolicySearcher


class DdpgSearcher(OffPolicySearcher):
    """DDPG with AMC's exploration: noise that shrinks by `noise_decay` an episode after the warm-up."""

    noise: float = Field(0.5, gt=0, description="first standard deviation of the truncated normal, in kept ratio")
    noise_decay: float = Field(0.95, gt=0, le=1, description="factor on the noise after each episode of learning")

    def _agent(self, env: Env, **settings: Any) -> OffPolicyAlgorithm:
        return DDPG(AmcPolicy, env, policy_kwargs={"net_arch": list(self.hidden), "noise": self.noise}, **settings)

    def _callbacks(self, warmup: int) -> Sequence[BaseCallback]:
        return (NoiseDecay(self.noise, self.noise_decay, warmup),)
