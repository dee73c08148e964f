"""How many policies of ResNet-56 the cost model costs in a second on one core, per metric and all together.

Latencies come from a table: the one given, or one that is measured here first. Every number is the
median of seven repeats, interleaved over the metrics, with half the interquartile range as spread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # numpy reads them when it is imported
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from autoprune.cost import CostModel, IntArray, Measurement, Metric
from autoprune.pipeline.costs.costing import cost_policies
from autoprune.pipeline.subject import Network
from autoprune.profiler.timing.averaging import summary
from autoprune.progress import Silent
from autoprune.space import SearchSpace
from autoprune.spec import ModelSpec, RunSpec

REPEATS = 7


def random_widths(space: SearchSpace, count: int) -> IntArray:
    """Policies [count, groups], each group's width drawn from those it offers."""
    rng = np.random.default_rng(0)
    return np.stack([rng.choice(g.widths, count) for g in space.groups], axis=1)


def policies_per_second(cost: CostModel, widths: IntArray) -> dict[str, Measurement]:
    """Of each metric alone, and of all together ("all")."""
    asked: dict[str, tuple[Metric, ...]] = {metric.value: (metric,) for metric in cost.metrics}
    asked["all"] = cost.metrics
    speeds: dict[str, list[float]] = {name: [] for name in asked}
    for metrics in asked.values():
        cost.costs(widths, metrics)  # once unmeasured, to warm caches up
    for _ in range(REPEATS):
        for name, metrics in asked.items():
            start = time.perf_counter()
            cost.costs(widths, metrics)
            speeds[name].append(len(widths) / (time.perf_counter() - start))
    return {name: summary(values, REPEATS) for name, values in speeds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="a latency table of ResNet-56 (autoprune profile)")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure where no table is given")
    parser.add_argument("--policies", type=int, default=20_000, help="policies a repeat")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = Network.load(ModelSpec(name="resnet56"), (3, 32, 32))
    asked = {"model": {"name": "resnet56"}, "task": {"name": "cifar10"}, "search": {"budgets": ["latency=0.5x"]}}
    spec = RunSpec.parse({**asked, "device": {"table": arguments.table, "seconds": arguments.seconds}})
    cost = cost_policies(network, spec, None, Silent()).model
    speeds = policies_per_second(cost, random_widths(cost.space, arguments.policies))
    if arguments.json:
        found = {
            name: {"policies_per_second": m.median, "spread": m.spread, "runs": m.runs} for name, m in speeds.items()
        }
        print(json.dumps({"model": "resnet56", "groups": len(cost.space), "policies": arguments.policies, **found}))
        return
    print(f"ResNet-56, {len(cost.space)} groups, {arguments.policies} policies a repeat, {REPEATS} repeats, one core")
    for name, speed in speeds.items():
        print(f"{name:8} {speed.median:12,.0f} policies/s  +- {speed.spread:,.0f}")


if __name__ == "__main__":
    main()
