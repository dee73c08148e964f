"""What the reinforcement-learning searchers share: the environment, and a training that leaves no trace."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.logger import Logger

from autoprune.env import ChannelPruningEnv
from autoprune.space import Policy
from autoprune.trial import Problem, Trial

Env = gymnasium.Env[Any, Any]


def train_on(
    problem: Problem,
    build: Callable[[Env], BaseAlgorithm],
    callbacks: Sequence[BaseCallback] = (),
) -> None:
    """Let the agent that `build` makes for an environment learn until the problem's trials are spent.

    The agent draws from Python's, numpy's and torch's global generators, which it seeds itself;
    they are put back afterwards, and hidden from what happens inside an evaluation, so that a trial
    answered from a ledger and one that is scored leave the agent in the same state. Its small
    networks are quickest on one thread; an evaluation gets as many as torch had before.
    """
    shielded = _shielded(problem, torch.get_num_threads())
    with preserved_generators(), torch_threads(1):
        model = build(ChannelPruningEnv(shielded))
        model.set_logger(Logger(folder=None, output_formats=[]))  # the default one makes a temporary folder
        steps = problem.trials * len(problem.space)
        model.learn(steps, callback=[*callbacks, StopTrainingOnMaxEpisodes(problem.trials)])


def _shielded(problem: Problem, threads: int) -> Problem:
    """The same problem; its evaluations do not move the agent's place in the global generators."""

    def evaluate(policies: Sequence[Policy]) -> list[Trial]:
        with preserved_generators(), torch_threads(threads):
            return problem.evaluate(policies)

    return replace(problem, evaluate=evaluate)


@contextmanager
def preserved_generators() -> Iterator[None]:
    """Put the global random generators of Python, numpy and torch back as they were."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch compute on `count` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
