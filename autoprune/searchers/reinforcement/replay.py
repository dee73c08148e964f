"""AMC's replay memory: every transition of an episode carries the reward that the episode ended with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize


class EpisodeReplay(ReplayBuffer):
    """Replay memory whose transitions all carry the reward that their episode ended with, less a baseline.

    AMC, "DDPG Agent": each transition of an episode is (s_t, a_t, R, s_{t+1}) where R is
    the finished network's reward, and an exponential moving average b of the rewards before is
    subtracted in the update, y = R - b + gamma Q(s', mu(s')). As in the authors' code, b follows the mean
    reward of the batches.
    """

    def __init__(self, *args: Any, baseline_rate: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rate = baseline_rate
        self._baseline: torch.Tensor | None = None
        self._steps = 0  # of the episode that is running

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Remember a transition; the last one of an episode gives its reward to all of them."""
        super().add(obs, next_obs, action, reward, done, infos)
        self._steps += 1
        if done[0]:
            episode = (self.pos - 1 - np.arange(self._steps)) % self.buffer_size
            self.rewards[episode] = reward
            self._steps = 0

    def _get_samples(self, batch_inds: NDArray[Any], env: VecNormalize | None = None) -> ReplayBufferSamples:
        samples = super()._get_samples(batch_inds, env)
        mean = samples.rewards.mean()
        self._baseline = mean if self._baseline is None else torch.lerp(self._baseline, mean, self._rate)
        return samples._replace(rewards=samples.rewards - self._baseline)
