"""Allocations that a sampler of Optuna suggests, one trial after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState, create_trial

from autoprune.searchers.shapes.shape import shape_of
from autoprune.searchers.start import first_trial, observed
from autoprune.space import Policy
from autoprune.trial import Problem, Trial


@dataclass(frozen=True, slots=True)
class Reading:
    """What a sampler sees: numbers in [0, 1] called `names`, those of a policy, the policy of such, a trial's values.

    Every value is better the larger it is.
    """

    names: tuple[str, ...]
    numbers: Callable[[Policy], Sequence[float]]
    policy: Callable[[Sequence[float]], Policy]
    values: Callable[[Trial], list[float]]

    @classmethod
    def shapes(cls, problem: Problem) -> Reading:
        """Numbers are the shape of an allocation that spends the budgets; the value is the reward."""
        names = tuple(group.name for group in problem.space.groups)
        return cls(names, lambda policy: shape_of(problem, policy), problem.feasible.scaled, lambda t: [t.reward])


def search_suggested(problem: Problem, sampler: BaseSampler, reading: Reading, objectives: int = 1) -> None:
    """Spend the problem's trials on what `sampler` suggests, each with the answer to the one before.

    The first trial is the uniform policy, where none is known. The sampler works on a study of its
    own in memory, which begins with the known trials and the first. A reward that is not finite is told as a
    failed trial, which samplers leave out.
    """
    space: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in reading.names}

    def named(policy: Policy) -> dict[str, float]:
        return dict(zip(reading.names, reading.numbers(policy), strict=True))

    study = optuna.create_study(directions=["maximize"] * objectives, sampler=sampler)
    for t in observed(problem):
        study.add_trial(create_trial(params=named(t.policy), distributions=space, values=reading.values(t)))
    first, left = first_trial(problem)
    if left < problem.trials:
        study.enqueue_trial(named(first.policy))
        _tell(study, study.ask(space), first, reading)
    for _ in range(left):
        asked = study.ask(space)
        [result] = problem.evaluate([reading.policy([asked.params[name] for name in reading.names])])
        _tell(study, asked, result, reading)


def _tell(study: optuna.Study, asked: optuna.Trial, result: Trial, reading: Reading) -> None:
    failed = not math.isfinite(result.reward)
    study.tell(asked, None if failed else reading.values(result), TrialState.FAIL if failed else None)
