"""Proximal policy optimisation (Schulman et al., 2017) on AMC's environment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium.wrappers import RescaleAction
from pydantic import Field, model_validator
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy

from autoprune.searchers.reinforcement.episodes import Env, Episode, train_on
from autoprune.searchers.settings import Settings
from autoprune.trial import Problem

# An untrained normal policy is centred on 0: between these, on half of each group.
_LOW, _HIGH = np.array([-1.0], np.float32), np.array([1.0], np.float32)
_IMITATION_RATE = 1e-3  # of Adam: imitation is plain regression, which takes larger steps than a policy gradient


class PpoSearcher(Settings):
    """PPO with a normal policy; it learns after every `episodes` trials.

    It learns from its own trials only, so known ones are imitated first: the mean of the policy is
    fitted to the best of them, the values to the rewards of all, and the policy is narrowed.
    """

    episodes: int = Field(8, ge=1, description="trials between two rounds of learning")
    epochs: int = Field(10, ge=1, description="passes over these trials, a round")
    minibatch: int = Field(2, ge=2, description="trials a gradient step; divides `episodes`")
    learning_rate: float = Field(3e-4, gt=0, description="of Adam")
    gamma: float = Field(1.0, ge=0, le=1, description="discount of later rewards")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="of the generalised advantage estimate")
    clip: float = Field(0.2, gt=0, description="how far the policy's probabilities may move, a round")
    entropy: float = Field(0.0, ge=0, description="weight of the entropy bonus")
    hidden: tuple[int, ...] = Field((64, 64), min_length=1, description="units of the hidden layers, actor and critic")
    imitation: int = Field(500, ge=1, description="gradient steps that imitate known trials")
    spread: float = Field(0.1, gt=0, description="standard deviation of the policy after that, in kept ratio")

    @model_validator(mode="after")
    def _whole_minibatches(self) -> Self:
        if self.episodes % self.minibatch:
            raise ValueError(f"minibatch ({self.minibatch}) must divide episodes ({self.episodes})")
        return self

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials, one episode each."""

        def build(env: Env) -> PPO:
            return PPO(
                "MlpPolicy",
                RescaleAction(env, _LOW, _HIGH),
                learning_rate=self.learning_rate,
                n_steps=self.episodes * len(problem.space),
                batch_size=self.minibatch * len(problem.space),
                n_epochs=self.epochs,
                gamma=self.gamma,
                gae_lambda=self.gae_lambda,
                clip_range=self.clip,
                ent_coef=self.entropy,
                policy_kwargs={"net_arch": list(self.hidden)},
                seed=problem.seed,
                device="cpu",
            )

        train_on(problem, build, self._imitate)

    def _imitate(self, agent: PPO, episodes: Sequence[Episode]) -> None:
        """Fit the policy's mean to the best episode, its values to all, and its spread to `spread`."""
        if not episodes:
            return
        policy = agent.policy
        assert isinstance(policy, ActorCriticPolicy)
        best = max(episodes, key=lambda episode: episode.reward)
        states, actions = torch.from_numpy(best.observations[:-1]), torch.from_numpy(2 * best.actions - 1)
        everywhere = torch.from_numpy(np.concatenate([episode.observations[:-1] for episode in episodes]))
        rewards = torch.tensor([[e.reward] for e in episodes for _ in e.actions], dtype=torch.float32)
        optimizer = torch.optim.Adam(policy.parameters(), lr=_IMITATION_RATE)
        for _ in range(self.imitation):
            normal = policy.get_distribution(states).distribution
            assert isinstance(normal, torch.distributions.Normal)
            loss = F.mse_loss(normal.mean, actions) + F.mse_loss(policy.predict_values(everywhere), rewards)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            policy.log_std.fill_(math.log(2 * self.spread))
