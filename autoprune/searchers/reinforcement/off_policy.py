"""What the agents with a replay memory share: AMC's schedule, reward and baseline."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from autoprune.searchers.reinforcement.episodes import Env, Episode, train_on
from autoprune.searchers.reinforcement.replay import EpisodeReplay
from autoprune.searchers.settings import Settings
from autoprune.searchers.start import observed
from autoprune.trial import Problem


class OffPolicySearcher(Settings):
    """An actor and critics that learn from a replay memory; subclasses say by which algorithm.

    The first `warmup_share` of the trials are drawn at random and only fill the replay memory (AMC:
    100 of 400); then one gradient step is taken for each step of the environment, after every
    episode. Known trials fill the memory beforehand and are learnt from at once, a gradient step a
    step; each takes the place of a random one.
    """

    warmup_share: float = Field(0.25, ge=0, le=1, description="share of the trials before learning starts")
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
        warmup = max(0, round(self.warmup_share * problem.trials) - len(observed(problem)))

        def build(env: Env) -> OffPolicyAlgorithm:
            return self._agent(
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
                seed=problem.seed,
                device="cpu",
            )

        train_on(problem, build, self._remember, self._callbacks(warmup))

    @abstractmethod
    def _agent(self, env: Env, **settings: Any) -> OffPolicyAlgorithm:
        """The algorithm for `env` with these settings, which all have."""

    def _callbacks(self, warmup: int) -> Sequence[BaseCallback]:
        """What else is to happen during the training, whose first `warmup` episodes are random."""
        del warmup
        return ()

    def _remember(self, agent: OffPolicyAlgorithm, episodes: Sequence[Episode]) -> None:
        """Put known episodes into the agent's memory and let it learn from them."""
        memory = agent.replay_buffer
        assert memory is not None
        for episode in episodes:
            last = len(episode.actions) - 1
            for step, action in enumerate(agent.policy.scale_action(episode.actions)):
                here, there = episode.observations[step : step + 2]
                reward = np.array([episode.reward if step == last else 0.0])
                memory.add(here[None], there[None], action[None], reward, np.array([step == last]), [{}])
        if episodes:
            agent.train(gradient_steps=memory.size(), batch_size=self.batch)
