"""AMC's exploration: a truncated normal around the actor's action, whose width shrinks from episode to episode."""

from __future__ import annotations

from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import PyTorchObs
from stable_baselines3.td3.policies import TD3Policy


class AmcPolicy(TD3Policy):
    """Explores with a normal distribution around the actor's action, truncated to the legal actions.

    AMC: a ~ TN(mu(s), sigma^2, 0, 1). `noise` is sigma in kept ratio; the networks' actions
    span [-1, 1], twice as wide.
    """

    def __init__(self, *args: Any, noise: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.noise = noise

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:
        action: torch.Tensor = self.actor(observation)
        if deterministic or not self.noise:
            return action
        # Inverse transform sampling; in double precision, since the tails of a float end at 5 sigma.
        mean, sigma = action.double(), 2 * self.noise
        low, high = torch.special.ndtr((-1 - mean) / sigma), torch.special.ndtr((1 - mean) / sigma)
        drawn = low + (high - low) * torch.rand_like(mean)
        return torch.clamp(mean + sigma * torch.special.ndtri(drawn), -1, 1).to(action.dtype)


class NoiseDecay(BaseCallback):
    """Shrinks the policy's noise before each episode that follows the warm-up."""

    def __init__(self, noise: float, decay: float, warmup: int) -> None:
        super().__init__()
        self._noise, self._decay, self._warmup = noise, decay, warmup
        self._episode = 0

    def _on_rollout_start(self) -> None:
        policy = self.model.policy
        assert isinstance(policy, AmcPolicy)
        policy.noise = self._noise * self._decay ** max(self._episode - self._warmup, 0)
        self._episode += 1

    def _on_step(self) -> bool:
        return True
