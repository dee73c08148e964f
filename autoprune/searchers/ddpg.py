"""AMC's agent: deep deterministic policy gradient, one kept ratio at a time (He et al., ECCV 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from stable_baselines3 import DDPG
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import PyTorchObs, ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.td3.policies import TD3Policy

from autoprune.searchers.episodes import Env, train_on
from autoprune.searchers.settings import Settings
from autoprune.trial import Problem


class DdpgSearcher(Settings):
    """DDPG with AMC's exploration, reward and baseline.

    The first `warmup_share` of the trials are drawn at random and only fill the replay memory (AMC:
    100 of 400); then one gradient step is taken for each step of the environment, after every
    episode, while the exploration noise shrinks by `noise_decay` an episode.
    """

    warmup_share: float = Field(0.25, ge=0, le=1, description="share of the trials before learning starts")
    noise: float = Field(0.5, gt=0, description="first standard deviation of the truncated normal, in kept ratio")
    noise_decay: float = Field(0.95, gt=0, le=1, description="factor on the noise after each episode of learning")
    hidden: tuple[int, ...] = Field(
        (300, 300), min_length=1, description="units of the hidden layers, actor and critic"
    )
    learning_rate: float = Field(1e-3, gt=0, description="of Adam, actor and critic")
    batch: int = Field(64, ge=1, description="transitions a gradient step")
    replay: int = Field(2000, ge=1, description="transitions remembered")
    tau: float = Field(0.01, gt=0, le=1, description="step of the target networks towards the learned ones")
    gamma: float = Field(1.0, ge=0, le=1, description="discount of later rewards")
    baseline_rate: float = Field(0.5, gt=0, le=1, description="step of the reward's moving average, a gradient step")

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials, one episode each."""
        warmup = round(self.warmup_share * problem.trials)

        def build(env: Env) -> DDPG:
            return DDPG(
                AmcPolicy,
                env,
                learning_rate=self.learning_rate,
                buffer_size=max(self.replay, len(problem.space)),
                learning_starts=warmup * len(problem.space),
                batch_size=self.batch,
                tau=self.tau,
                gamma=self.gamma,
                train_freq=(1, "episode"),
                gradient_steps=-1,
                replay_buffer_class=EpisodeReplay,
                replay_buffer_kwargs={"baseline_rate": self.baseline_rate},
                policy_kwargs={"net_arch": list(self.hidden), "noise": self.noise},
                seed=problem.seed,
                device="cpu",
            )

        train_on(problem, build, [NoiseDecay(self.noise, self.noise_decay, warmup)])


class AmcPolicy(TD3Policy):
    """Explores with a normal distribution around the actor's action, truncated to the legal actions.

    AMC, eq. 1: a ~ TN(mu(s), sigma^2, 0, 1). `noise` is sigma in kept ratio; the networks' actions
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


class EpisodeReplay(ReplayBuffer):
    """Replay memory whose transitions all carry the reward that their episode ended with, less a baseline.

    AMC, section 3, "DDPG Agent": each transition of an episode is (s_t, a_t, R, s_{t+1}) where R is
    the finished network's reward, and an exponential moving average b of the rewards before is
    subtracted in the update (eq. 2). As in the authors' code, b follows the mean reward of the batches.
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
