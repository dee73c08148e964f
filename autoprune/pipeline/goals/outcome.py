"""What came of what was asked for: the chosen policy's numbers, the floor it keeps, what it costs on other devices."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from autoprune.deploy.document.goals import BudgetLine, BudgetsElsewhere, FloorLine, OtherDevice, Predicted
from autoprune.deploy.document.standing import score_interval
from autoprune.evaluation.evaluator import scores
from autoprune.pipeline.costs.costing import Costing
from autoprune.pipeline.goals.search import Found
from autoprune.pipeline.subject import Subject
from autoprune.space import Policy
from autoprune.spec import RunSpec

_NORMAL_95 = 1.959964


def outcome(spec: RunSpec, subject: Subject, costing: Costing, found: Found) -> dict[str, Any]:
    """The fields of a `SearchResult` that tell of the chosen policy."""
    policy = found.policy
    cost, dense = (costing.model.cost(p).known for p in (policy, costing.space.dense()))
    tried = max((t for t in found.trials if t.policy == policy), key=lambda t: t.rank_key, default=None)
    return {
        "reward": tried.reward if tried else None,
        "validation_score": tried.quality.score if tried else None,
        "selection_score": found.judge.seen[policy].quality.score,
        **{f"relative_{metric}": cost[metric] / dense[metric] for metric in cost},
        "floor": floor_line(subject, found),
        "also": other_devices(spec, costing, policy),
    }


def floor_line(subject: Subject, found: Found) -> FloorLine | None:
    """The floor that the judge held to, and the score of what was chosen; None where there is none."""
    wanted, split = found.judge.wanted, subject.splits.selection
    if wanted is None:
        return None
    pruned, dense = (scores(m, split, subject.task).double() for m in (found.pruned, subject.network.model))
    score = found.judge.seen[found.policy].quality.score
    return FloorLine(
        asked=str(wanted.floor),
        minimised=wanted.metric,
        least=wanted.least,
        score=score,
        score_ci95=score_interval(score, subject.images_scored(split)),
        dense=wanted.dense,
        difference_ci95=_interval_of_mean(pruned - dense),
    )


def _interval_of_mean(values: Tensor) -> tuple[float, float]:
    """95% confidence interval of the mean of many `values` [N], by the normal approximation."""
    mean = float(values.mean())
    half = _NORMAL_95 * float(values.std(correction=0)) / math.sqrt(len(values))
    return mean - half, mean + half


def budgets_elsewhere(spec: RunSpec, costing: Costing) -> tuple[BudgetsElsewhere, ...]:
    """What was asked for on other devices."""
    return tuple(
        BudgetsElsewhere(
            device=device.device, table=str(asked.table), budgets=tuple(BudgetLine.of(b) for b in asked.budgets)
        )
        for asked, device in zip(spec.also, costing.elsewhere, strict=True)
    )


def other_devices(spec: RunSpec, costing: Costing, policy: Policy) -> tuple[OtherDevice, ...]:
    """What the tables of the other devices predict of the dense network and of `policy`."""
    return tuple(
        OtherDevice(
            **dict(asked),
            dense=Predicted.of(device.cost.cost(costing.space.dense())),
            pruned=Predicted.of(device.cost.cost(policy)),
        )
        for asked, device in zip(budgets_elsewhere(spec, costing), costing.elsewhere, strict=True)
    )
