"""What the reinforcement-learning searchers share: trials as episodes, lived or replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.logger import Logger

from autoprune.env import ChannelPruningEnv
from autoprune.searchers.generators import isolated
from autoprune.searchers.start import first_trial, observed
from autoprune.space import Policy
from autoprune.trial import Problem, Trial

Env = gymnasium.Env[Any, Any]
AgentT = TypeVar("AgentT", bound=BaseAlgorithm)


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """One walk through the network: float32 observations [groups + 1, 12], kept ratios [groups, 1], the last reward."""

    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    reward: float


def train_on(
    problem: Problem,
    build: Callable[[Env], AgentT],
    learn_from: Callable[[AgentT, Sequence[Episode]], None],
    callbacks: Sequence[BaseCallback] = (),
) -> None:
    """Let the agent that `build` makes for an environment learn until the problem's trials are spent.

    Where trials are known, `learn_from` gets them as episodes before the agent's own first, and the
    best of them too as it is fitted to the budgets.
    """
    with isolated(problem) as alone:
        agent = build(ChannelPruningEnv(alone))
        agent.set_logger(Logger(folder=None, output_formats=[]))  # the default one makes a temporary folder
        trials = problem.trials
        if problem.known:
            first, trials = first_trial(alone)
            learn_from(agent, replayed(problem, list(dict.fromkeys([*observed(problem), first]))))
        if trials:
            agent.learn(trials * len(problem.space), callback=[*callbacks, StopTrainingOnMaxEpisodes(trials)])


def replayed(problem: Problem, trials: Sequence[Trial]) -> list[Episode]:
    """The walks that lead to the policies of `trials`, without scoring them again.

    A policy that no walk leads to is left out: on a staircase of costs, groups still to come may
    have to be wider than their smallest for a budget to be kept.
    """
    walks = [_walk_to(problem, trial) for trial in trials]
    return [walk for walk in walks if walk is not None]


def _walk_to(problem: Problem, trial: Trial) -> Episode | None:
    arrived: list[Policy] = []

    def answer(policies: Sequence[Policy]) -> list[Trial]:
        arrived.extend(policies)
        return [trial]

    env = ChannelPruningEnv(replace(problem, evaluate=answer))
    actions = np.array(problem.space.ratios(trial.policy), np.float32)[:, None]
    seen, reward = [env.reset()[0]], 0.0
    for action in actions:
        observation, reward, *_ = env.step(action)
        seen.append(observation)
    return Episode(np.stack(seen), actions, reward) if arrived == [trial.policy] else None
