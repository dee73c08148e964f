"""Choosing among finalists: each is refitted layer by layer and scored on the selection split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from autoprune.cost import CostModel, Metric
from autoprune.errors import FloorUnreachable
from autoprune.evaluation.evaluator import Evaluator
from autoprune.floor import Floor
from autoprune.objective import Objective, Quality
from autoprune.pipeline.scores.judgements import Judgements
from autoprune.pipeline.scores.scoring import Scoring
from autoprune.pipeline.subject import Subject
from autoprune.progress import Progress
from autoprune.pruning import Pruner
from autoprune.space import Policy
from autoprune.spec import SearchSpec


@dataclass(frozen=True, slots=True)
class Judged:
    """A finalist's quality on the selection split once it was refitted layer by layer, and the reward of that."""

    policy: Policy
    quality: Quality
    reward: float


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The policy that was chosen, its refitted network, and all that were `compared`, in the order of their search."""

    policy: Policy
    module: nn.Module
    compared: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class LeastCost:
    """The cheapest network is wanted whose selection score is at least `least`; `dense` is the dense one's score."""

    floor: Floor
    metric: Metric
    dense: float

    @property
    def least(self) -> float:
        """The least score that keeps the floor."""
        return self.floor.limit(self.dense)

    def kept_by(self, judged: Judged) -> bool:
        """Whether a network has that score; one whose score is not a number has not."""
        return judged.quality.score >= self.least


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Compares finalists: each is refitted layer by layer, and scored on the selection split, once.

    The one that earns the largest reward is the best; under a floor (`wanted`), the cheapest that keeps it.
    """

    pruner: Pruner
    evaluator: Evaluator
    objective: Objective
    cost: CostModel
    finalists: int
    progress: Progress
    judgements: Judgements
    wanted: LeastCost | None = None
    seen: dict[Policy, Judged] = field(default_factory=dict)

    @classmethod
    def of(cls, scoring: Scoring, search: SearchSpec, progress: Progress) -> Judge:
        """The judge of searches that were scored by `scoring`; raises `FloorUnreachable` for a floor too high."""
        cost, judgements = scoring.feasible.cost, scoring.judgements
        return cls.on(scoring.subject, scoring.pruner, cost, search, judgements, progress)

    @classmethod
    def on(
        cls,
        subject: Subject,
        pruner: Pruner,
        cost: CostModel,
        search: SearchSpec,
        judgements: Judgements,
        progress: Progress,
    ) -> Judge:
        """The judge of policies of `subject` that cost what `cost` says."""
        network = subject.network
        evaluator = Evaluator(
            network.model, pruner.apply, subject.splits.selection, subject.task, network.traced.norm_after
        )
        wanted = None
        if search.floor is not None:
            dense = evaluator.quality(subject.network.model).score
            wanted = LeastCost(search.floor, search.minimise[0], dense)
            if dense < wanted.least:
                raise FloorUnreachable(
                    f"no network keeps a score of {wanted.least:.4g}: the dense one has {dense:.4g} on the selection "
                    "split, whose images may be disturbed. Give a lower floor, or a relative one, as in dense-0.01."
                )
        return cls(pruner, evaluator, Objective(search.reward), cost, search.finalists, progress, judgements, wanted)

    def judge(self, policy: Policy) -> Judged:
        """How good `policy` turns out to be."""
        return self._judge(policy)[0]

    def _judge(self, policy: Policy) -> tuple[Judged, nn.Module | None]:
        """The same with the refitted network; None where the policy was judged before, so that none was made."""
        if policy in self.seen:
            return self.seen[policy], None
        quality, module = self.judgements.find(policy), None
        if quality is None:
            module = self.pruner.apply(policy)
            quality = self.evaluator.quality(module)
            self.judgements.keep(policy, quality)
        self.seen[policy] = Judged(policy, quality, self.objective.reward(quality, self.cost.cost(policy)))
        return self.seen[policy], module

    def keeps_floor(self, policy: Policy) -> bool:
        """Whether the network of `policy` keeps the floor, or there is none."""
        return self.wanted is None or self.wanted.kept_by(self.judge(policy))

    def best(self, policies: Sequence[Policy]) -> Choice:
        """Choose the best policy, the earlier of equals; raises `FloorUnreachable` where none keeps the floor."""
        chosen: tuple[Judged, nn.Module | None] | None = None
        compared = []
        for done, policy in enumerate(policies, 1):
            judged, module = self._judge(policy)
            compared.append(judged)
            if chosen is None or self._rank(judged) > self._rank(chosen[0]):
                chosen = (judged, module)
            self.progress.advance(done, len(policies), f"selection score {judged.quality.score:.4f}")
        assert chosen is not None
        best, module = chosen
        if self.wanted is not None and not self.wanted.kept_by(best):
            raise self._unreached(self.wanted)
        return Choice(best.policy, module or self.pruner.apply(best.policy), tuple(compared))

    def _rank(self, judged: Judged) -> tuple[float, ...]:
        """Sorts from worst to best; NaN is worst."""
        if self.wanted is None:
            return (_number(judged.reward),)
        if self.wanted.kept_by(judged):
            return (1.0, -self.cost.cost(judged.policy).of(self.wanted.metric))
        return (0.0, _number(judged.quality.score))

    def _unreached(self, wanted: LeastCost) -> FloorUnreachable:
        score = max(_number(judged.quality.score) for judged in self.seen.values())
        return FloorUnreachable(
            f"none of {len(self.seen)} refitted networks keeps a score of {wanted.least:.4g} (the dense one's is "
            f"{wanted.dense:.4g}): the best has {score:.4g}. Set the floor to {math.floor(1e4 * score) / 1e4:g} or "
            f"dense-{math.ceil(1e4 * (wanted.dense - score)) / 1e4:g}, loosen the budgets, or give more --trials."
        )


def _number(value: float) -> float:
    return -math.inf if math.isnan(value) else value
