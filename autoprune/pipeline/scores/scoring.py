"""How the policies of one subject are scored, and what every search on it shares: statistics, scores, ledger."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoprune.evaluation.evaluator import Evaluator
from autoprune.feasible import FeasibleSet
from autoprune.objective import Objective, Quality
from autoprune.pipeline.costs.costing import Costing
from autoprune.pipeline.scores.judgements import Judgements, judged_under
from autoprune.pipeline.subject import Subject, pruner_of
from autoprune.progress import Progress
from autoprune.pruning import Pruner
from autoprune.searchers.ledger import GROUPS, Ledger
from autoprune.space import Policy
from autoprune.spec import RunSpec
from autoprune.trial import Evaluate, Problem, Searcher, Trial


@dataclass(frozen=True, slots=True)
class Searched:
    """What one search brought: its trials, in order, and where this process spent its time.

    `evaluation_seconds` went by in scoring `scored` policies (those that the ledger did not know yet),
    `searcher_seconds` inside the searcher; reading and writing the ledger is counted in neither.
    """

    trials: list[Trial]
    scored: int
    evaluation_seconds: float
    searcher_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Scoring:
    """Calibration statistics, gathered once, and scores on the validation split, kept in the ledger.

    Searches of any number of agents may share one: a policy that one of them had scored is
    answered from the ledger for the others.
    """

    subject: Subject
    feasible: FeasibleSet
    objective: Objective
    pruner: Pruner
    evaluator: Evaluator
    ledger: Ledger
    judgements: Judgements
    seed: int

    @classmethod
    def of(cls, spec: RunSpec, subject: Subject, costing: Costing, study: Path, progress: Progress) -> Scoring:
        """Gather the statistics and open the study, which is named after the spec."""
        feasible = costing.feasible(spec.search.budgets)
        network, splits = subject.network, subject.splits
        with progress.stage("gathering calibration statistics"):
            pruner = pruner_of(spec, network, splits)
            pruner.rank(feasible.space)
            evaluator = Evaluator(
                network.model,
                pruner.preview,
                splits.validation,
                subject.task,
                network.traced.norm_after,
                rival=_rival(spec, feasible),
            )
        ledger = Ledger(study, spec.name, run_fingerprint(spec, subject, feasible))
        ledger.keep(GROUPS, [[group.name, group.width] for group in feasible.space.groups])
        judgements = Judgements(ledger, judged_under(spec, subject.network))
        return cls(
            subject, feasible, Objective(spec.search.reward), pruner, evaluator, ledger, judgements, spec.search.seed
        )

    def search(self, agent: str, searcher: Searcher, trials: int, progress: Progress) -> Searched:
        """Let `searcher` spend `trials` evaluations, recorded under the name `agent`."""
        meter = _Meter(self.evaluator, progress, trials)
        evaluate = self.ledger.evaluator(meter, self.feasible.cost, self.objective, agent=agent, seed=self.seed)
        layers = self.subject.network.traced.features
        damages = self.pruner.damages(self.feasible.space)
        problem = Problem(self.feasible, meter.watched(evaluate), trials, self.seed, layers, damages)
        start = time.perf_counter()
        searcher.search(problem)
        searching = time.perf_counter() - start - meter.waiting
        return Searched(self.ledger.trials(agent, self.seed), meter.scored, meter.seconds, searching)

    def dense(self) -> Trial:
        """The dense network scored as policies are; the ledger keeps it beside the trials."""
        policy, cost = self.feasible.space.dense(), self.feasible.cost
        quality = self.evaluator.quality(self.subject.network.model)
        trial = Trial(0, policy, quality, cost.cost(policy), self.objective.reward(quality, cost.cost(policy)))
        self.ledger.keep_dense(trial)
        return trial


def _rival(spec: RunSpec, feasible: FeasibleSet) -> Policy | None:
    """The uniform policy, which a winner under budgets has to beat; at a floor or along a front there is none."""
    if spec.search.floor or spec.search.pareto or not feasible.limits:
        return None
    return feasible.scaled([0.5] * len(feasible.space))


def run_fingerprint(spec: RunSpec, subject: Subject, feasible: FeasibleSet) -> str:
    """What a trial's quality and legality depend on: network, data, splits, widths on offer, budgets, reward.

    And the way in which policies are scored: a study that knows another way is not gone on with.
    """
    budgets = [str(b) for b in feasible.budgets]
    budgets += [f"{b} on {other.device}" for other in feasible.elsewhere for b in other.budgets]
    widths = [(g.name, g.widths) for g in feasible.space.groups]
    task, search = spec.task.model_dump(mode="json"), spec.search
    parts = (Pruner.preview.__name__, subject.network.fingerprint, task, search.seed, search.reward, search.criterion)
    return hashlib.sha256(repr((parts, budgets, widths)).encode()).hexdigest()[:16]


@dataclass
class _Meter:
    """Counts and times what is scored, and shows it; `waiting` is how long searchers waited for their trials."""

    evaluator: Evaluator
    progress: Progress
    total: int
    seconds: float = 0.0
    waiting: float = 0.0
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

    def watched(self, evaluate: Evaluate) -> Evaluate:
        """`evaluate`, timed, with progress after every call."""

        def call(policies: Sequence[Policy]) -> list[Trial]:
            start = time.perf_counter()
            trials = evaluate(policies)
            self.waiting += time.perf_counter() - start
            self.seen += len(trials)
            self.best = max([self.best, *(t.reward for t in trials if t.reward == t.reward)])
            self.progress.advance(self.seen, self.total, f"best reward {self.best:.4f}")
            return trials

        return call
