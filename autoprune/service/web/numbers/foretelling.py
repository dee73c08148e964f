"""What a latency table says of a budget before anything is searched: uniform widths that keep it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.errors import UnknownKernel
from autoprune.profiler.energy.work import work
from autoprune.profiler.plan.blueprint import units_of
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.space import Policy

_STEPS = 32
FORETOLD = (Metric.LATENCY, Metric.ENERGY, Metric.MACS)


@dataclass(frozen=True, slots=True)
class Uniform:
    """The network that keeps the share `kept` of the channels in every layer, and its costs: ms, mJ, MACs."""

    kept: float
    costs: dict[Metric, float]


def uniform_networks(table: LatencyTable, digest: str) -> tuple[Uniform, ...]:
    """Networks of uniform widths, the smallest first and the dense one last, with what the table predicts.

    Widths for which the table lacks a kernel are left out, and so are costs that it does not know.
    """
    timed = TimedPlan.of(table, digest, table.network(digest).space)
    shares = [step / _STEPS for step in range(1, _STEPS + 1)]
    policies = {timed.space.policy([share] * len(timed.space)): share for share in shares}
    found = (_uniform(timed, policy, share) for policy, share in policies.items())
    return tuple(network for network in found if Metric.LATENCY in network.costs)


def _uniform(timed: TimedPlan, policy: Policy, kept: float) -> Uniform:
    widths = np.array([policy.widths])
    costs: dict[Metric, float] = {}
    with suppress(UnknownKernel):
        costs[Metric.LATENCY] = float(timed.latency()(widths)[0])
        costs[Metric.MACS] = float(_macs(timed, policy))
        costs[Metric.ENERGY] = float(timed.energy()(widths)[0])
    return Uniform(kept, costs)


def _macs(timed: TimedPlan, policy: Policy) -> int:
    units = units_of(timed.space, policy)
    kernels = (site.kernel(units) for site in timed.plan.sites)
    return sum(work(kernel).macs for kernel in kernels if kernel is not None)


@dataclass(frozen=True, slots=True)
class Foretold:
    """A budget as an absolute `limit`, in its metric's unit: the widest uniform network that keeps it, if any does."""

    metric: Metric
    limit: float
    dense: Uniform
    kept_by: Uniform | None


def foretell(networks: Sequence[Uniform], budget: Budget) -> Foretold | None:
    """What uniform widths can do under the budget; None where the table does not know the cost of the dense network."""
    metric = budget.metric
    if not networks or networks[-1].kept != 1 or metric not in networks[-1].costs:
        return None
    dense = networks[-1]
    limit = budget.limit * dense.costs[metric] if budget.relative else budget.limit
    within = [network for network in networks if network.costs.get(metric, limit + 1) <= limit]
    return Foretold(metric, limit, dense, max(within, key=lambda network: network.kept, default=None))
