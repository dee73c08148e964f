"""The shape of an allocation: ratios relative to one another, scaled up to the budgets."""

from __future__ import annotations

from collections.abc import Iterator

from autoprune.space import Policy
from autoprune.trial import Problem

MIDDLE = 0.5  # a shape of equal ratios: any value means the uniform policy, this one leaves room both ways
_LARGEST = 0.9  # of a shape made from a policy: a little room above


def uniform_policy(problem: Problem) -> Policy:
    """The largest policy within the budgets that keeps the same share of every group."""
    return problem.feasible.scaled([MIDDLE] * len(problem.space))


def spend(trials: int, batch: int) -> Iterator[int]:
    """Sizes of the batches, `batch` but for the last, that make `trials` together."""
    for start in range(0, trials, batch):
        yield min(batch, trials - start)


def shape_of(problem: Problem, policy: Policy) -> list[float]:
    """A shape in (0, 1) that is scaled up to (about) `policy`, its mean at `MIDDLE` or as near as the largest lets it.

    Shapes that differ by a factor are the same allocation; of these, searchers draw around `MIDDLE`.
    """
    ratios = problem.space.ratios(policy)
    factor = min(MIDDLE * len(ratios) / sum(ratios), _LARGEST / max(ratios))
    return [ratio * factor for ratio in ratios]
