"""Keeping the budget when measured: a chosen policy that turns out too slow on the device is tightened."""

from __future__ import annotations

from collections.abc import Sequence

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.errors import BudgetUnreachable
from autoprune.feasible import FeasibleSet
from autoprune.pipeline.costing import Costing
from autoprune.pipeline.delivery import batch_like, measure
from autoprune.pipeline.search import Found, Judge
from autoprune.pipeline.subject import Subject
from autoprune.progress import Progress
from autoprune.space import Policy
from autoprune.spec import RunSpec

_ATTEMPTS = 4
# A tightened policy aims this far below the limit, so that the next measurement need not be lucky.
_MARGIN = 0.99


def keep_when_measured(spec: RunSpec, subject: Subject, costing: Costing, found: Found, progress: Progress) -> Found:
    """`found`, or a smaller policy of its search where the measured latency is over a latency budget.

    Dense and pruned networks are measured in turns; a relative budget is a share of the measured
    dense latency. Raises `BudgetUnreachable` where tightening does not get there.
    """
    limits = [b for b in spec.search.budgets if b.metric is Metric.LATENCY]
    if not limits:
        return found
    limit, budgets = limits[0], list(spec.search.budgets)
    with progress.stage("checking the measured latency"):
        for attempt in range(1, _ATTEMPTS + 1):
            over = _overshoot(spec, subject, found, limit)
            progress.advance(attempt, _ATTEMPTS, f"{over:.3f} of the budget")
            if over <= 1:
                return found
            budgets = [_tightened(b, over) if b.metric is Metric.LATENCY else b for b in budgets]
            found = _smaller(costing, found, budgets)
    raise BudgetUnreachable(
        f"no policy kept {limit} when it was measured ({_ATTEMPTS} tried, the last at {over:.3f} of it): "
        "the table does not fit the device as it is now. Profile again on a quiet machine (give another --out)."
    )


def _overshoot(spec: RunSpec, subject: Subject, found: Found, limit: Budget) -> float:
    """Measured latency as a share of the limit."""
    example = batch_like(subject.network, spec.device)
    dense, pruned = measure([subject.network.model, found.pruned], example, spec.device)
    allowed = limit.limit * dense.median if limit.relative else limit.limit
    return pruned.median / allowed


def _tightened(budget: Budget, over: float) -> Budget:
    return Budget(budget.metric, budget.limit * _MARGIN / over, budget.relative)


def _smaller(costing: Costing, found: Found, budgets: Sequence[Budget]) -> Found:
    """The search's best policies under tighter budgets, and the chosen one scaled down, compared as finalists were."""
    feasible = FeasibleSet(costing.space, costing.model, budgets)
    scaled = feasible.scaled(costing.space.ratios(found.policy))
    ranked = sorted(found.trials, key=lambda t: t.rank_key, reverse=True)
    tried: list[Policy] = [t.policy for t in ranked if t.policy in feasible]
    judge: Judge = found.judge
    return found.choosing(*judge.best(list(dict.fromkeys([scaled, *tried]))[: judge.finalists]))
