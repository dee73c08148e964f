"""Search over the shape of an allocation: ratios relative to one another, scaled up to the budgets."""

from __future__ import annotations

import math
from collections.abc import Iterator

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from autoprune.space import Policy
from autoprune.trial import Problem

MIDDLE = 0.5  # a shape of equal ratios: any value means the uniform policy, this one leaves room both ways


def uniform_policy(problem: Problem) -> Policy:
    """The largest policy within the budgets that keeps the same share of every group."""
    return problem.feasible.scaled([MIDDLE] * len(problem.space))


def spend(trials: int, batch: int) -> Iterator[int]:
    """Sizes of the batches, `batch` but for the last, that make `trials` together."""
    for start in range(0, trials, batch):
        yield min(batch, trials - start)


def search_shapes(problem: Problem, sampler: BaseSampler, batch: int) -> None:
    """Spend the problem's trials on shapes that an Optuna `sampler` suggests, `batch` of them at a time.

    The first trial is the uniform policy. The sampler works on a study of its own in memory; a
    reward that is not finite is told as a failed trial, which samplers leave out.
    """
    names = [group.name for group in problem.space.groups]
    ratios: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in names}
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial(dict.fromkeys(names, MIDDLE))
    for count in (1, *spend(problem.trials - 1, batch)):
        asked = [study.ask(ratios) for _ in range(count)]
        shapes = [[trial.params[name] for name in names] for trial in asked]
        scored = problem.evaluate([problem.feasible.scaled(shape) for shape in shapes])
        for trial, result in zip(asked, scored, strict=True):
            failed = not math.isfinite(result.reward)
            study.tell(trial, None if failed else result.reward, TrialState.FAIL if failed else None)
