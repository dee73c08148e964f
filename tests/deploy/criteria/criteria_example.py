"""A comparison of criteria as it would come out: recovery brings all of them closer together."""

from __future__ import annotations

from autoprune.budget import Budget
from autoprune.deploy.criteria.document import CriteriaComparison, CriterionRow
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.document.split_scores import SplitScores

NAMES = ("random", "l1", "taylor", "elimination")


def row(criterion: str, place: int, seed: int = 0) -> CriterionRow:
    """A criterion that is `place` points of accuracy better than random before recovery, and half of it after."""

    def at(start: float, gain: float) -> SplitScores:
        return SplitScores(selection=start + gain * place - 0.001 * seed, test=start + gain * place - 0.01)

    return CriterionRow(
        criterion=criterion,
        seed=seed,
        ranking_seconds=0.5 + place,
        sliced=at(0.2, 0.01),
        refitted=at(0.8, 0.005),
        parity=1e-6,
    )


def comparison(*rows: CriterionRow) -> CriteriaComparison:
    """The comparison of these rows, or of four criteria over two seeds."""
    return CriteriaComparison(
        model="resnet20",
        task="cifar10",
        metric="accuracy",
        budgets=(BudgetLine.of(Budget.parse("macs=0.5x")),),
        policy={"conv1": 11},
        selection_images=1024,
        test_images=1017,
        dense=SplitScores(selection=0.9, test=0.92),
        gathering_seconds=12.0,
        rows=rows or tuple(row(name, place, seed) for seed in (0, 1) for place, name in enumerate(NAMES)),
    )
