"""How many policies a second the search scores, beside torch-pruning and beside what the machine could do at most.

Random policies that keep the spec's budgets are scored on its validation split, in turns: by this package
as in a search (slice, refit on a few images, forward pass), without the second refit, and by
torch-pruning (prune a copy to the same inner widths, forward pass; no refit, and batch norms as they
were). The limit is the arithmetic alone: the pruned networks' multiply-accumulates over those that this
machine does in a large matrix product.

Then what it saves to keep what networks that begin alike have in common: policies in the order in which agents ask
for them (they search on what the calibration statistics foresee, so that this takes no time), and each
group cut alone, scored with and without, in turns. Scores must be the same to the last bit.

    python scripts/bench_evaluation.py scripts/jobs/cifar10_resnet56_macs50.toml --policies 20
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import nn

from autoprune.cost import Metric
from autoprune.evaluation.evaluator import Evaluator
from autoprune.evaluation.prefixes import KEPT_BYTES
from autoprune.feasible import FeasibleSet
from autoprune.objective import Quality
from autoprune.pipeline.costs.costing import cost_policies
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Silent
from autoprune.pruning import Pruner
from autoprune.searchers.agents import load_agent, make_searcher
from autoprune.space import Policy
from autoprune.spec import RunSpec
from autoprune.trial import Problem, Trial

SIDE = 2048  # of the matrices whose product tells the machine's speed
AGENTS = "random,evolution,annealing,netadapt,knapsack"


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


class Bench:
    """A spec's subject, ready to be scored."""

    def __init__(self, spec: RunSpec) -> None:
        self.subject = prepare(spec, None, Silent())
        self.cost = cost_policies(self.subject.network, spec, None, Silent())
        self.feasible = self.cost.feasible(spec.search.budgets)
        network = self.subject.network
        self.pruner = Pruner(network.model, network.traced, self.subject.splits.calibration.inputs)

    def evaluator(self, kept_bytes: int, apply: Callable[[Policy], nn.Module] | None = None) -> Evaluator:
        """Scores on the validation split: as a search does, or of the networks that `apply` makes."""
        network, images, task = self.subject.network, self.subject.splits.validation, self.subject.task
        norms = network.traced.norm_after
        return Evaluator(network.model, apply or self.pruner.preview, images, task, norms, kept_bytes=kept_bytes)

    def rates(self, count: int) -> None:
        """Print policies a second, in turns with torch-pruning's, and the limit."""
        traced, validation = self.subject.network.traced, self.subject.splits.validation
        inner = [len(traced.consumers(g)) == 1 for g in range(len(traced.space))]
        policies = drawn(self.feasible, inner, count)
        ours, sliced, theirs, limit = [], [], [], []
        speed, evaluator, slicing = macs_per_second(), self.evaluator(0), self.evaluator(0, self.pruner.slice)
        evaluator.quality_of(policies[0])
        for policy in policies:
            ours.append(timed(partial(evaluator.quality_of, policy)))
            sliced.append(timed(partial(slicing.quality_of, policy)))
            theirs.append(timed(partial(torch_pruning_way, self.subject, inner, policy)))
            limit.append(self.cost.model.cost(policy).of(Metric.MACS) * len(validation) / speed)
        print(f"{len(validation)} images, {torch.get_num_threads()} threads, {speed / 1e9:.0f} GMAC/s in a product")
        print(f"{'':34s} {'median s':>9s} {'IQR s':>7s} {'policies/s':>11s} {'of the limit':>13s}")
        rows = {
            "arithmetic limit": limit,
            "autoprune, as in a search": ours,
            "autoprune, slices from the cache": sliced,
            "torch-pruning": theirs,
        }
        for name, seconds in rows.items():
            low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
            share = statistics.median(a / b for a, b in zip(limit, seconds, strict=True))
            print(f"{name:34s} {middle:9.3f} {high - low:7.3f} {1 / middle:11.2f} {share:13.0%}")

    def asked(self, agent: str, count: int) -> list[Policy]:
        """The different policies that an agent asks for, where trials bring what the statistics foresee."""
        damages, cost = self.pruner.damages(self.feasible.space), self.feasible.cost
        widths = [group.widths for group in self.feasible.space.groups]
        found: list[Trial] = []

        def evaluate(policies: Sequence[Policy]) -> list[Trial]:
            for policy in policies:
                total = sum(d[w.index(own)] for d, w, own in zip(damages, widths, policy.widths, strict=True))
                found.append(Trial(len(found), policy, Quality(0, 0, total), cost.cost(policy), -total))
            return found[-len(policies) :]

        features = self.subject.network.traced.features
        make_searcher(load_agent(agent)).search(Problem(self.feasible, evaluate, count, 0, features, damages))
        return list(dict.fromkeys(trial.policy for trial in found))

    def alone(self, count: int) -> list[Policy]:
        """The dense network with each group cut alone, to widths spread evenly."""
        space, dense = self.feasible.space, self.feasible.space.dense().widths
        each = max(1, count // len(space))
        return [
            Policy((*dense[:g], group.widths[i], *dense[g + 1 :]))
            for g, group in enumerate(space.groups)
            for i in np.unique(np.linspace(0, len(group.widths) - 1, each + 1).round().astype(int))[:-1].tolist()
        ]

    def prefixes(self, name: str, policies: Sequence[Policy]) -> None:
        """Print what the policies take with and without what other networks had in common with them."""
        evaluators = self.evaluator(0), self.evaluator(KEPT_BYTES)
        seconds: tuple[list[float], list[float]] = [], []
        for number, policy in enumerate(policies):
            found: dict[int, Quality] = {}
            for which in (0, 1) if number % 2 else (1, 0):
                start = time.perf_counter()
                found[which] = evaluators[which].quality_of(policy)
                seconds[which].append(time.perf_counter() - start)
            if found[0] != found[1]:
                raise SystemExit(f"{policy}: {found[0]} became {found[1]}")
        without, kept = (np.array(taken) for taken in seconds)
        low, middle, high = np.quantile(kept / without, [0.25, 0.5, 0.75])
        print(
            f"{name:34s} {len(policies):8d} {np.median(without):9.3f} {np.median(kept):9.3f} "
            f"{kept.sum() / without.sum():9.3f} {middle:9.3f} {low:6.3f} to {high:.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--policies", type=int, default=20, help="to score beside torch-pruning; 0: none")
    parser.add_argument("--trials", type=int, default=60, help="of each agent whose policies may begin alike; 0: none")
    parser.add_argument("--agents", default=AGENTS, help=f"whose policies these are (default: {AGENTS})")
    arguments = parser.parse_args()
    bench = Bench(RunSpec.load(arguments.spec))
    if arguments.policies:
        bench.rates(arguments.policies)
    if arguments.trials:
        print(f"\n{'networks that begin alike':34s} {'policies':>8s} {'alone s':>9s} {'kept s':>9s} ", end="")
        print(f"{'all':>9s} {'median':>9s} {'quartiles':>15s}")
        for agent in arguments.agents.split(","):
            bench.prefixes(agent, bench.asked(agent, arguments.trials))
        bench.prefixes("each group alone", bench.alone(arguments.trials))


if __name__ == "__main__":
    main()
