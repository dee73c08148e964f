"""One small run, as its report would find it: a space of three groups, random trials, their real costs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from autoprune.budget import Budget
from autoprune.cost import CostModel, CountPlan, Extent, Measurement, Volume
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.document.standing import CostLine, Standing
from autoprune.deploy.report.document import Generalisation, Report, SearchLine
from autoprune.kernel_sum import KernelSum, Term
from autoprune.objective import Quality
from autoprune.space import ChannelGroup, FrozenGroup, Policy, SearchSpace
from autoprune.trial import Trial

WIDTHS = tuple(range(4, 33, 4))
SPACE = SearchSpace(
    tuple(ChannelGroup(f"layer{i}.conv1", 32, WIDTHS, (f"layer{i}.conv1", f"layer{i}.conv2")) for i in range(3)),
    (FrozenGroup("conv1", 16, "its slice gives a network that does not run"),),
)
IMAGES = 500


def cost_model() -> CostModel:
    """Three pairs of 3x3 convolutions on 16 channels and 8x8 pixels; a kernel takes a nanosecond a MAC."""
    inner = [Extent(0, ((g, 1),)) for g in range(3)]
    macs = tuple(Volume(f"layer{g}", 2 * 9 * 64 * 16, (inner[g],)) for g in range(3))
    params = tuple(Volume(f"layer{g}", 2 * 9 * 16, (inner[g],)) for g in range(3))
    tensors = tuple(Volume(f"layer{g}", 4 * 64, (inner[g],)) for g in range(3))
    terms = [Term(f"layer{g}", (g,), partial(_layer_ms, inner[g])) for g in range(3)]
    plan = CountPlan(macs, params, tensors, ((0,), (1,), (2,)))
    return CostModel(SPACE, plan, KernelSum(SPACE, terms, constant=0.4))


def _layer_ms(channels: Extent, units: Sequence[int]) -> float:
    return 1e-6 * 9 * 16 * 2 * 64 * channels.at(units)


def trial(number: int, policy: Policy, score: float) -> Trial:
    """A trial with its policy's real cost."""
    return Trial(number, policy, Quality(score, score, 1 - score), cost_model().cost(policy), score)


def random_trials(count: int, seed: int = 0) -> list[Trial]:
    rng = random.Random(seed)
    policies = [SPACE.policy([rng.random() for _ in SPACE.groups]) for _ in range(count)]
    return [trial(n, p, 0.5 + 0.4 * sum(SPACE.ratios(p)) / 3) for n, p in enumerate(policies)]


def dense_trial() -> Trial:
    return trial(0, SPACE.dense(), 0.94)


def report(chosen: Trial, **changes: Any) -> Report:
    """The report of a run that chose `chosen` and measured what it had predicted."""
    dense = dense_trial()

    def standing(score: float, of: Trial) -> Standing:
        assert of.cost.latency_ms is not None
        costs = CostLine.of(of.cost, measured=Measurement(of.cost.latency_ms, 0.01, 50))
        return Standing.scoring(score, costs, images=IMAGES)

    found = Report(
        model="cifar10_resnet20",
        task="digits",
        metric="accuracy",
        device={"cpu": "A processor", "threads": 1, "instructions": ["avx2", "fma"]},
        budgets=(BudgetLine.of(Budget.parse("latency=0.9x")),),
        dense=standing(0.93, dense),
        pruned=standing(0.9, chosen),
        finetuned=standing(0.92, chosen),
        search=SearchLine(agent="evolution", seed=0, trials=40, seconds=8.0, trials_per_second=5.0),
        generalisation=Generalisation(
            search=chosen.quality.score, selection=0.91, test=0.9, finalists=5, rank_correlation=0.7
        ),
        policy={g.name: w for g, w in zip(SPACE.groups, chosen.policy.widths, strict=True)},
    )
    return found.model_copy(update=changes)
