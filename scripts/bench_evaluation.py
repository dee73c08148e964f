"""How many policies a second the search scores, beside torch-pruning and beside what the machine could do at most.

Random policies that keep the spec's budgets are scored on its validation split: by this package
(slice, refit from statistics, forward pass), and by torch-pruning (prune a copy to the same inner
widths, forward pass; no refit, and batch norms as they were), in turns. The limit is the arithmetic alone:
the pruned networks' multiply-accumulates over those that this machine does in a large matrix product.

    python scripts/bench_evaluation.py scripts/jobs/cifar10_resnet56_macs50.toml --policies 20
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import nn

from autoprune.cost import Metric
from autoprune.evaluation.evaluator import Evaluator
from autoprune.feasible import FeasibleSet
from autoprune.pipeline.costing import cost_policies
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Silent
from autoprune.pruning import Pruner
from autoprune.space import Policy
from autoprune.spec import RunSpec

SIDE = 2048  # of the matrices whose product tells the machine's speed


def macs_per_second() -> float:
    """Of a product of two large matrices, on as many threads as torch has: the median of nine."""
    a, b = (torch.randn(SIDE, SIDE) for _ in range(2))
    return SIDE**3 / statistics.median(timed(lambda: torch.mm(a, b)) for _ in range(9))


def timed(work: Callable[[], Any]) -> float:
    """Seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def drawn(feasible: FeasibleSet, inner: list[bool], count: int) -> list[Policy]:
    """Random policies that keep the budgets by cutting the groups marked as `inner` alone."""
    rng = np.random.default_rng(0)
    found: list[Policy] = []
    while len(found) < count:
        shares = np.where(inner, np.clip(rng.uniform(0.2, 0.6) + rng.uniform(-0.3, 0.3, len(inner)), 0.05, 1), 1.0)
        policy = feasible.space.policy(shares.tolist())
        if policy in feasible:
            found.append(policy)
    return found


def by_torch_pruning(subject: Subject, inner: list[bool], policy: Policy) -> nn.Module:
    """A pruned copy: magnitude chooses the channels, at the policy's inner widths."""
    model = copy.deepcopy(subject.network.model)
    modules, groups = dict(model.named_modules()), subject.network.traced.space.groups
    ratios = {
        modules[group.name]: 1 - width / group.width
        for group, width, inside in zip(groups, policy.widths, inner, strict=True)
        if inside
    }
    others = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m not in ratios]
    torch_pruning.pruner.MagnitudePruner(
        model,
        subject.network.example,
        importance=torch_pruning.importance.MagnitudeImportance(p=2),
        pruning_ratio=0.0,
        pruning_ratio_dict=ratios,
        ignored_layers=others,
    ).step()
    return model


def torch_pruning_way(subject: Subject, inner: list[bool], policy: Policy) -> float:
    """Accuracy on the validation split, the plain way: in batches of 128, on torch's own threads."""
    model, validation = by_torch_pruning(subject, inner, policy), subject.splits.validation
    with torch.no_grad():
        answers = torch.cat([model(chunk) for chunk in torch.split(validation.inputs, 128)])
    return float((answers.argmax(1) == validation.targets).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--policies", type=int, default=20)
    arguments = parser.parse_args()
    spec = RunSpec.load(arguments.spec)
    subject = prepare(spec, None, Silent())
    costing = cost_policies(subject.network, spec, None, Silent())
    traced, validation = subject.network.traced, subject.splits.validation
    inner = [len(traced.consumers(g)) == 1 for g in range(len(traced.space))]
    policies = drawn(costing.feasible(spec.search.budgets), inner, arguments.policies)
    pruner = Pruner(subject.network.model, traced, subject.splits.calibration.inputs)
    evaluator = Evaluator(subject.network.model, pruner.slice, validation, subject.task, traced.norm_after)
    ours, first, theirs, limit = [], [], [], []
    speed = macs_per_second()
    evaluator.quality_of(policies[0])
    for policy in policies:
        score = partial(evaluator.quality_of, policy)
        first.append(timed(score))
        ours.append(timed(score))
        theirs.append(timed(partial(torch_pruning_way, subject, inner, policy)))
        limit.append(costing.model.cost(policy).of(Metric.MACS) * len(validation) / speed)
    print(f"{len(validation)} images, {torch.get_num_threads()} threads, {speed / 1e9:.0f} GMAC/s in a matrix product")
    print(f"{'':34s} {'median s':>9s} {'IQR s':>7s} {'policies/s':>11s} {'of the limit':>13s}")
    rows = {
        "arithmetic limit": limit,
        "autoprune": ours,
        "autoprune, widths never seen before": first,
        "torch-pruning": theirs,
    }
    for name, seconds in rows.items():
        low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
        share = statistics.median(a / b for a, b in zip(limit, seconds, strict=True))
        print(f"{name:34s} {middle:9.3f} {high - low:7.3f} {1 / middle:11.2f} {share:13.0%}")


if __name__ == "__main__":
    main()
