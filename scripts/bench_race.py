"""What a race against a rival saves, and whether it changes who wins.

Agents search under the spec's budgets, every policy scored on all images. The policies are then scored again, in
races against rivals that are known before any evaluation: one that is clearly worse than the rival after
256 images is not run on the others. Told are the images and seconds that this saves, whether the same policy
wins in the end, after how many of the trials another one would be the best so far (before any was better than the
rival, and after), how many of the finalists stay the same, and how far rewards are off that were cut short.

    python scripts/bench_race.py scripts/jobs/cifar10_resnet56_macs50.toml --agents knapsack,random --trials 60
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from torch import Tensor

from autoprune.evaluation.evaluator import Evaluator
from autoprune.evaluation.images import ImageSet
from autoprune.objective import Objective, Quality
from autoprune.pipeline.costs.costing import cost_policies
from autoprune.pipeline.subject import prepare
from autoprune.progress import Silent
from autoprune.pruning import Pruner
from autoprune.searchers.agents import load_agent, make_searcher
from autoprune.searchers.shapes.shape import uniform_policy
from autoprune.searchers.start import knapsack_policy
from autoprune.space import Policy
from autoprune.spec import RunSpec
from autoprune.trial import Evaluate, Problem, Trial

KNAPSACKS = 5  # that an agent of that name begins with, one for each exponent on the damages


@dataclass
class Counted:
    """Images that know how many of them were asked for."""

    whole: ImageSet
    asked: int = 0

    def __len__(self) -> int:
        return len(self.whole)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        self.asked += len(indices)
        return self.whole.batch(indices)


@dataclass(frozen=True)
class Scored:
    """A policy with its reward, and the images and seconds that this took."""

    policy: Policy
    reward: float
    images: int
    seconds: float


class Bench:
    """A spec's subject, whose policies are scored with any rival, or none."""

    def __init__(self, spec: RunSpec) -> None:
        self.subject = prepare(spec, None, Silent())
        costing = cost_policies(self.subject.network, spec, None, Silent())
        self.feasible, self.objective = costing.feasible(spec.search.budgets), Objective(spec.search.reward)
        network, calibration = self.subject.network, self.subject.splits.calibration
        self.pruner = Pruner(network.model, network.traced, calibration.inputs)
        self.images = Counted(self.subject.splits.validation)

    def evaluator(self, rival: Policy | None) -> Evaluator:
        """Scores policies in races against `rival`."""
        network, task = self.subject.network, self.subject.task
        norms = network.traced.norm_after
        return Evaluator(network.model, self.pruner.preview, self.images, task, norms, rival=rival)

    def rivals(self) -> dict[str, Policy]:
        """Policies that keep the budgets and need no search; the last is the best of a few knapsacks."""
        problem, few = self._problem(lambda _: [], 1), self.searched("knapsack", KNAPSACKS)
        best = max(few, key=lambda scored: scored.reward)
        return {"uniform": uniform_policy(problem), "knapsack": knapsack_policy(problem), "knapsacks": best.policy}

    def searched(self, agent: str, trials: int) -> list[Scored]:
        """The different policies that an agent asks for, scored on all images."""
        evaluator, found = self.evaluator(None), dict[Policy, Scored]()

        def evaluate(policies: Sequence[Policy]) -> list[Trial]:
            for policy in policies:
                if policy not in found:
                    found[policy] = self.scored(evaluator, policy)
            return [self._trial(found[policy]) for policy in policies]

        make_searcher(load_agent(agent)).search(self._problem(evaluate, trials))
        return list(found.values())

    def scored(self, evaluator: Evaluator, policy: Policy) -> Scored:
        """One policy."""
        before, start = self.images.asked, time.perf_counter()
        quality = evaluator.quality_of(policy)
        seconds, images = time.perf_counter() - start, self.images.asked - before
        return Scored(policy, self.objective.reward(quality, self.feasible.cost.cost(policy)), images, seconds)

    def _trial(self, scored: Scored) -> Trial:
        cost = self.feasible.cost.cost(scored.policy)
        return Trial(0, scored.policy, Quality(math.nan, math.nan, math.nan), cost, scored.reward)

    def _problem(self, evaluate: Evaluate, trials: int) -> Problem:
        features, damages = self.subject.network.traced.features, self.pruner.damages(self.feasible.space)
        return Problem(self.feasible, evaluate, trials, 0, features, damages)


def winners(scored: Sequence[Scored]) -> list[Policy]:
    """The best policy so far after each one, the earlier of equals."""
    found = [scored[0]]
    for other in scored[1:]:
        found.append(other if other.reward > found[-1].reward else found[-1])
    return [best.policy for best in found]


def finalists(scored: Sequence[Scored], count: int) -> set[Policy]:
    """The best policies."""
    return {s.policy for s in sorted(scored, key=lambda s: s.reward, reverse=True)[:count]}


def report(agent: str, rival: str, line: float, whole: Sequence[Scored], raced: Sequence[Scored], count: int) -> str:
    """A line: what was cut short and saved, and what came out otherwise; `line` is the rival's reward."""
    cut = [(w, r) for w, r in zip(whole, raced, strict=True) if r.images < w.images]
    images = sum(r.images for r in raced) / sum(w.images for w in whole)
    seconds = sum(r.seconds for r in raced) / sum(w.seconds for w in whole)
    best = list(accumulate((w.reward for w in whole), max))
    others = [reward for reward, w, r in zip(best, winners(whole), winners(raced), strict=True) if w != r]
    below = sum(reward <= line for reward in others)
    ended = "same" if winners(whole)[-1] == winners(raced)[-1] else "OTHER"
    same = len(finalists(whole, count) & finalists(raced, count))
    off = max((abs(w.reward - r.reward) for w, r in cut), default=0.0)
    return (
        f"{agent:12s} {rival:10s} {len(whole):8d} {len(cut):9d} {images:7.2f} {seconds:8.2f} {ended:>7s} "
        f"{below:7d} {len(others) - below:6d} {same:7d} of {count:<2d} {off:8.4f} {best[-1]:9.4f} {line:9.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--agents", default="knapsack,random")
    parser.add_argument("--trials", type=int, default=60, help="of each agent")
    arguments = parser.parse_args()
    spec = RunSpec.load(arguments.spec)
    bench = Bench(spec)
    print(f"{'agent':12s} {'rival':10s} {'policies':>8s} {'cut short':>9s} {'images':>7s} {'seconds':>8s} ", end="")
    print(f"{'winner':>7s} {'before':>7s} {'after':>6s} {'finalists':>13s} {'off':>8s} {'best':>9s} {'rival':>9s}")
    rivals = bench.rivals()
    for agent in arguments.agents.split(","):
        whole = bench.searched(agent, arguments.trials)
        for name, rival in rivals.items():
            line = bench.scored(bench.evaluator(None), rival).reward
            evaluator = bench.evaluator(rival)
            raced = [bench.scored(evaluator, scored.policy) for scored in whole]
            print(report(agent, name, line, whole, raced, spec.search.finalists), flush=True)


if __name__ == "__main__":
    main()
