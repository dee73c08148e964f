"""The search of a run: trials in the ledger, finalists refitted and compared, one policy chosen."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from torch import nn

from autoprune.cost import CostModel
from autoprune.deploy.run_folder import RunFolder
from autoprune.evaluation.evaluator import Evaluator
from autoprune.feasible import FeasibleSet
from autoprune.objective import Objective, Quality
from autoprune.pipeline.costing import Costing
from autoprune.pipeline.subject import Subject
from autoprune.progress import Progress
from autoprune.pruning import Pruner
from autoprune.searchers.agents import load_agent, make_searcher
from autoprune.searchers.ledger import Ledger
from autoprune.space import Policy
from autoprune.spec import RunSpec
from autoprune.tracing.groups import IntArray
from autoprune.trial import Problem, Trial


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Compares finalists: each is refitted layer by layer, and scored on the selection split."""

    pruner: Pruner
    evaluator: Evaluator
    objective: Objective
    cost: CostModel
    finalists: int
    progress: Progress

    def best(self, policies: Sequence[Policy]) -> tuple[Policy, nn.Module]:
        """The policy whose network earns the largest reward, the earlier of equals, and that network."""
        chosen: tuple[float, Policy, nn.Module] | None = None
        for done, policy in enumerate(policies, 1):
            module = self.pruner.apply(policy)
            quality = self.evaluator.quality(module)
            reward = self.objective.reward(quality, self.cost.cost(policy))
            if chosen is None or reward > chosen[0] or math.isnan(chosen[0]):
                chosen = (reward, policy, module)
            self.progress.advance(done, len(policies), f"selection score {quality.score:.4f}")
        assert chosen is not None
        return chosen[1], chosen[2]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What the search brought: its trials, the dense network scored like them, and the chosen policy.

    `kept` are the units that the policy keeps in each group, `pruned` is its refitted network.
    `seconds` is the time this process spent on `scored` policies; trials that were in the ledger
    already took none.
    """

    agent: str
    trials: list[Trial]
    dense: Trial
    judge: Judge
    policy: Policy
    pruned: nn.Module
    seconds: float
    scored: int

    @property
    def kept(self) -> tuple[IntArray, ...]:
        """Unit indices that each group keeps."""
        return self.judge.pruner.kept(self.policy)

    def choosing(self, policy: Policy, pruned: nn.Module) -> Found:
        """The same search with another policy chosen."""
        return replace(self, policy=policy, pruned=pruned)


def search(spec: RunSpec, subject: Subject, costing: Costing, folder: RunFolder, progress: Progress) -> Found:
    """Search, then choose among the finalists."""
    feasible = FeasibleSet(costing.space, costing.model, spec.search.budgets)
    network, task, seed = subject.network, subject.task, spec.search.seed
    agent, objective = load_agent(spec.search.agent), Objective(spec.search.reward)
    searcher = make_searcher(agent)
    with progress.stage("gathering calibration statistics"):
        pruner = Pruner(network.model, network.traced, subject.splits.calibration.inputs, seed=seed)
        evaluator = Evaluator(network.model, pruner.slice, subject.splits.validation, task)
    ledger = Ledger(folder.study, spec.name, run_fingerprint(spec, subject, feasible))
    meter = _Meter(evaluator, progress, spec.search.trials)
    evaluate = ledger.evaluator(meter, costing.model, objective, agent=agent.name, seed=seed)
    layers = network.traced.features
    problem = Problem(feasible, meter.counted(evaluate), spec.search.trials, seed, layers)
    with progress.stage("searching"):
        searcher.search(problem)
    trials = ledger.trials(agent.name, seed)
    finalists = spec.search.finalists
    selection = Evaluator(network.model, pruner.apply, subject.splits.selection, task)
    judge = Judge(pruner, selection, objective, costing.model, finalists, progress)
    with progress.stage("choosing among the finalists"):
        policy, pruned = judge.best(finalists_of(trials, finalists))
    quality, cost = evaluator.quality(network.model), costing.model.cost(costing.space.dense())
    dense = Trial(0, costing.space.dense(), quality, cost, objective.reward(quality, cost))
    ledger.keep_dense(dense)
    return Found(agent.name, trials, dense, judge, policy, pruned, meter.seconds, meter.scored)


def finalists_of(trials: Sequence[Trial], count: int) -> list[Policy]:
    """The `count` best different policies, best first."""
    ranked = sorted(trials, key=lambda t: t.rank_key, reverse=True)
    return list(dict.fromkeys(t.policy for t in ranked))[:count]


def run_fingerprint(spec: RunSpec, subject: Subject, feasible: FeasibleSet) -> str:
    """What a trial's quality and legality depend on: network, data, splits, widths on offer, budgets, reward."""
    budgets = [str(b) for b in feasible.budgets]
    widths = [(g.name, g.widths) for g in feasible.space.groups]
    parts = (subject.network.fingerprint, spec.task.model_dump(mode="json"), spec.search.seed, spec.search.reward)
    return hashlib.sha256(repr((parts, budgets, widths)).encode()).hexdigest()[:16]


@dataclass
class _Meter:
    """Counts and times what is scored, and shows it."""

    evaluator: Evaluator
    progress: Progress
    total: int
    seconds: float = 0.0
    scored: int = 0
    seen: int = 0
    best: float = field(default=float("-inf"))

    def __call__(self, policies: Sequence[Policy]) -> Iterator[Quality]:
        """Qualities one by one, each as soon as it is known."""
        for number, policy in enumerate(policies, 1):
            start = time.perf_counter()
            quality = self.evaluator.quality_of(policy)
            self.seconds += time.perf_counter() - start
            self.scored += 1
            self.progress.advance(self.seen + number, self.total, f"best reward {self.best:.4f}")
            yield quality

    def counted(self, evaluate: Callable[[Sequence[Policy]], list[Trial]]) -> Callable[[Sequence[Policy]], list[Trial]]:
        """`evaluate`, with progress after every call."""

        def call(policies: Sequence[Policy]) -> list[Trial]:
            trials = evaluate(policies)
            self.seen += len(trials)
            self.best = max([self.best, *(t.reward for t in trials if t.reward == t.reward)])
            self.progress.advance(self.seen, self.total, f"best reward {self.best:.4f}")
            return trials

        return call
