"""The policies that keep every budget: how a searcher's wishes become a policy that may be tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoprune.budget import Budget
from autoprune.cost import Cost, CostModel, FloatArray, IntArray, Metric
from autoprune.errors import BudgetUnreachable
from autoprune.space import Policy, SearchSpace

_SCALES = np.geomspace(1e-2, 1e2, 161)


@dataclass(frozen=True, slots=True, eq=False)
class DeviceBudgets:
    """What a network may cost on one device: that device's cost model, and budgets; `device` names it to people."""

    cost: CostModel
    budgets: tuple[Budget, ...]
    device: str = ""

    def absolute(self) -> DeviceBudgets:
        """The same with absolute limits: a relative budget is a share of what the dense network costs there."""
        return DeviceBudgets(self.cost, tuple(b.absolute(self._dense) for b in self.budgets), self.device)

    @property
    def _dense(self) -> Cost:
        return self.cost.cost(self.cost.space.dense())

    def require_reachable(self) -> None:
        """Raise `BudgetUnreachable` where the smallest network breaks one of these (absolute) budgets."""
        smallest, there = self.cost.cost(self.cost.space.smallest()), f" on {self.device}" if self.device else ""
        for b in self.budgets:
            least = smallest.of(b.metric)
            if least > b.limit:
                share = least / self._dense.of(b.metric)
                raise BudgetUnreachable(
                    f"no policy keeps {b.metric} <= {b.limit:.6g}{there}: the smallest network costs {least:.6g}, "
                    f"{share:.3f}x the dense one. Raise the budget to {b.metric}={share + 1e-3:.3f}x or more."
                )

    def mask(self, widths: IntArray) -> NDArray[np.bool_]:
        """Which of the policies `widths` [n, groups] keep every (absolute) limit: bool [n]."""
        costs = self.cost.costs(widths, [b.metric for b in self.budgets])
        ok = np.ones(len(widths), dtype=bool)
        for b in self.budgets:
            ok &= costs[b.metric] <= b.limit
        return ok

    def loads(self, widths: IntArray) -> FloatArray:
        """What the policies `widths` [n, groups] cost as shares of each (absolute) limit: [n, budgets]."""
        costs = self.cost.costs(widths, [b.metric for b in self.budgets])
        return np.array([costs[b.metric] / b.limit for b in self.budgets]).reshape(-1, len(widths)).T


class FeasibleSet:
    """Policies of `space` whose cost keeps all `budgets`; holds for any metric the cost model knows.

    `elsewhere` are further devices, whose budgets the same policy keeps as well.
    """

    def __init__(
        self,
        space: SearchSpace,
        cost: CostModel,
        budgets: Sequence[Budget],
        elsewhere: Sequence[DeviceBudgets] = (),
    ) -> None:
        self.space, self.cost = space, cost
        self._widths = [np.array(g.widths, dtype=np.int64) for g in space.groups]
        self._dense = np.array(space.dense().widths, dtype=np.int64)
        here = DeviceBudgets(cost, tuple(budgets)).absolute()
        self.budgets, self.elsewhere = here.budgets, tuple(device.absolute() for device in elsewhere)
        self._devices = (here, *self.elsewhere)
        for device in self._devices:
            device.require_reachable()

    @property
    def limits(self) -> int:
        """How many budgets there are, over all devices."""
        return sum(len(device.budgets) for device in self._devices)

    def within(self, budgets: Sequence[Budget]) -> FeasibleSet:
        """The policies of this set that keep `budgets` too; of two on one metric the tighter counts."""
        asked = DeviceBudgets(self.cost, tuple(budgets)).absolute().budgets
        tightest: dict[Metric, Budget] = {}
        for budget in sorted((*asked, *self.budgets), key=lambda b: b.limit, reverse=True):
            tightest[budget.metric] = budget
        order = dict.fromkeys(b.metric for b in (*asked, *self.budgets))
        return FeasibleSet(self.space, self.cost, [tightest[metric] for metric in order], self.elsewhere)

    def mask(self, widths: IntArray) -> NDArray[np.bool_]:
        """Which of the policies `widths` [n, groups] keep every budget: bool [n]."""
        return np.asarray(np.all([device.mask(widths) for device in self._devices], axis=0))

    def loads(self, widths: IntArray) -> FloatArray:
        """What the policies `widths` [n, groups] cost as shares of each limit, over all devices: [n, limits]."""
        return np.hstack([device.loads(widths) for device in self._devices])

    def __contains__(self, policy: Policy) -> bool:
        return bool(self.mask(np.array([policy.widths]))[0])

    def reachable(self, chosen: Sequence[int]) -> tuple[int, ...]:
        """Widths that group `len(chosen)` may take after `chosen` so that the budget can still be kept.

        AMC's bound on the next action (He et al., ECCV 2018) for any cost: the groups still to come are taken at
        their smallest width. The smallest offered width is always among them.
        """
        group = self.space.groups[len(chosen)]
        rest = self.space.smallest().widths[len(chosen) + 1 :]
        trials = np.array([(*chosen, width, *rest) for width in group.widths])
        allowed = tuple(w for w, ok in zip(group.widths, self.mask(trials), strict=True) if ok)
        return allowed or (group.widths[0],)

    def bounded(self, ratios: Sequence[float]) -> Policy:
        """The policy of a pass over the groups that takes each ratio as far as `reachable` allows."""
        chosen: list[int] = []
        for ratio in ratios:
            chosen.append(self.step(chosen, ratio))
        return Policy(tuple(chosen))

    def step(self, chosen: Sequence[int], ratio: float) -> int:
        """The reachable width nearest to `ratio` of the group whose turn it is after `chosen`."""
        wanted = self.space.groups[len(chosen)].nearest(ratio)
        return min(self.reachable(chosen), key=lambda w: (abs(w - wanted), -w))

    def scaled(self, ratios: Sequence[float]) -> Policy:
        """The largest policy shaped like `ratios`: all are multiplied by one factor, then room left is filled.

        The result keeps the budgets, and no single group can take its next width without breaking one.
        """
        wanted = np.clip(np.asarray(ratios, dtype=np.float64), 1e-3, 1.0)
        candidates = np.stack([self._floor(np.minimum(wanted * s, 1.0)) for s in _SCALES])
        keeps = np.flatnonzero(self.mask(candidates))
        start = candidates[keeps[-1]] if len(keeps) else np.array(self.space.smallest().widths)
        return Policy(tuple(int(w) for w in self._fill(start, wanted)))

    def filled(self, policy: Policy) -> Policy:
        """`policy`, which keeps the budgets, widened evenly until no group can take its next width."""
        ratios = np.array(self.space.ratios(policy))
        return Policy(tuple(int(w) for w in self._fill(np.array(policy.widths, dtype=np.int64), ratios)))

    def _floor(self, ratios: FloatArray) -> NDArray[np.int64]:
        """Largest offered widths at most `ratios` of the dense ones (the smallest where there is none)."""
        targets = ratios * self._dense + 1e-9
        index = [np.searchsorted(w, t, side="right") - 1 for w, t in zip(self._widths, targets, strict=True)]
        return np.array([w[max(0, i)] for w, i in zip(self._widths, index, strict=True)])

    def _fill(self, widths: NDArray[np.int64], wanted: FloatArray) -> NDArray[np.int64]:
        """Widen one group at a time, the one furthest below its share first, while a budget allows it."""
        if not self.limits:
            return self._dense
        while True:
            steps = []
            for g in np.flatnonzero(widths < self._dense).tolist():
                wider = self._widths[g][np.searchsorted(self._widths[g], widths[g], side="right")]
                steps.append((widths[g] / self._dense[g] / wanted[g], g, wider))
            if not steps:
                return widths
            trials = np.tile(widths, (len(steps), 1))
            for row, (_, g, w) in enumerate(steps):
                trials[row, g] = w
            fits = np.flatnonzero(self.mask(trials))
            if not len(fits):
                return widths
            widths = trials[min(fits, key=lambda row: steps[row])]
