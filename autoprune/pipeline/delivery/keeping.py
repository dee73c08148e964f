"""Keeping the budget when measured: a chosen policy that turns out to take too much on the device is tightened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from autoprune.budget import Budget
from autoprune.cost import Measurement, Metric
from autoprune.device import Device
from autoprune.errors import BudgetUnreachable
from autoprune.pipeline.costs.costing import Costing
from autoprune.pipeline.delivery.export import exported
from autoprune.pipeline.delivery.measuring import measures
from autoprune.pipeline.goals.search import Found
from autoprune.pipeline.subject import Subject
from autoprune.progress import Progress
from autoprune.space import Policy
from autoprune.spec import RunSpec

_ATTEMPTS = 4
# A tightened policy aims this far below the limit, so that the next measurement need not be lucky.
_MARGIN = 0.99


def keep_when_measured(
    spec: RunSpec, subject: Subject, costing: Costing, found: Found, device: Device, progress: Progress
) -> Found:
    """`found`, or a smaller policy of its search where it is over a budget on latency or energy on `device`.

    Dense and pruned networks are measured in turns; a relative budget is a share of what the dense
    one is measured to cost. They are measured once more for the report, so a policy that keeps a budget
    by less than the spread is tightened too, and handed over only where no smaller one is found. Energy
    counts as modelled where the machine has no meter. Raises `BudgetUnreachable` where no policy is kept.
    """
    budgets, known = list(spec.search.budgets), measures(device)
    limits = [b for b in budgets if b.metric in known]
    if not limits:
        return found
    narrowly: Found | None = None
    with progress.stage("checking what was measured"):
        for attempt in range(1, _ATTEMPTS + 1):
            networks = [subject.network.model, found.pruned]
            with exported(networks, subject.network.images(spec.device.batch)) as paths:
                shares = {b.metric: _Share.of(b, *known[b.metric](paths)) for b in limits}
            worst = max(share.repeatable for share in shares.values())
            progress.advance(attempt, _ATTEMPTS, f"{worst:.3f} of the budget")
            if worst <= 1:
                return found
            if all(share.measured <= 1 for share in shares.values()):
                narrowly = found
            try:
                budgets = _tightened(costing, found.policy, budgets, shares)
                found = _smaller(costing, found, budgets)
            except BudgetUnreachable:
                if narrowly is None:
                    raise
                break
    if narrowly is not None:
        return narrowly
    raise BudgetUnreachable(
        f"no policy kept {' and '.join(map(str, limits))} when it was measured ({_ATTEMPTS} tried, the last at "
        f"{worst:.3f} of it): the table does not fit the device as it is now. Profile again on a quiet machine "
        "(give another --out)."
    )


@dataclass(frozen=True, slots=True)
class _Share:
    """What the pruned network takes of a limit: as it was measured, and as it may be measured again."""

    measured: float
    repeatable: float

    @classmethod
    def of(cls, limit: Budget, dense: Measurement, pruned: Measurement) -> Self:
        """Both as shares of the limit, which is itself a share of the dense network's time if it is relative."""
        allowed = limit.limit * dense.median if limit.relative else limit.limit
        return cls(pruned.median / allowed, pruned.repeatable / allowed)


def _tightened(
    costing: Costing, policy: Policy, budgets: Sequence[Budget], shares: Mapping[Metric, _Share]
) -> list[Budget]:
    """`budgets`, each that `policy` took too large a share of at what the table may predict for it to be kept.

    That is less than `policy` was predicted to take, which may be far below the limit: where it was, a limit that is
    only lowered by the overshoot would choose the same policy again.
    """
    loads = costing.feasible(budgets).loads(np.array([policy.widths]))[0]
    over = {metric: share.repeatable for metric, share in shares.items()}
    return [
        Budget(b.metric, b.limit * load * _MARGIN / over[b.metric], b.relative) if over.get(b.metric, 0) > 1 else b
        for b, load in zip(budgets, loads, strict=False)  # loads on other devices come after those here
    ]


def _smaller(costing: Costing, found: Found, budgets: Sequence[Budget]) -> Found:
    """The search's best policies under tighter budgets, and the chosen one scaled down, compared as finalists were."""
    feasible = costing.feasible(budgets)
    scaled = feasible.scaled(costing.space.ratios(found.policy))
    ranked = sorted(found.trials, key=lambda t: t.rank_key, reverse=True)
    tried: list[Policy] = [t.policy for t in ranked if t.policy in feasible]
    judge = found.judge
    return found.choosing(judge.best(list(dict.fromkeys([scaled, *tried]))[: judge.finalists]))
