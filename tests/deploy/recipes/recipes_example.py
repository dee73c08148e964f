"""A made-up comparison of recipes."""

from __future__ import annotations

from typing import Any

from autoprune.budget import Budget
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.document.split_scores import SplitScores
from autoprune.deploy.document.standing import Latency
from autoprune.deploy.recipes.document import PrunedLine, RecipeRow, RecipesComparison, SparseLine


def pruned(before: float, after: float, **more: Any) -> PrunedLine:
    """Scores the same on both splits, but for a hundredth."""
    return PrunedLine(
        before=SplitScores(selection=before - 0.01, test=before),
        after=SplitScores(selection=after - 0.01, test=after),
        macs=500,
        params=300,
        latency_ms=Latency(measured=0.6, spread=0.01),
        dense_latency_ms=Latency(measured=0.8, spread=0.01),
        pruning_seconds=20,
        recovery_seconds=12.4,
        parity=1e-6,
        **more,
    )


def row(name: str, line: PrunedLine | None, kind: str = "after training", failed: str | None = None) -> RecipeRow:
    return RecipeRow(recipe=name, kind=kind, summary="does this", source="One, 2020", pruned=line, failed=failed)


def example() -> RecipesComparison:
    """Three recipes that end, one of which had sparse weights, and one that does not."""
    sparse = SparseLine(
        sparsity=0.5, scores=SplitScores(selection=0.8, test=0.81), latency_ms=Latency(measured=0.808, spread=0.01)
    )
    return RecipesComparison(
        model="small",
        task="digits",
        metric="accuracy",
        budgets=(BudgetLine.of(Budget.parse("macs=0.5x")),),
        seed=0,
        epochs=4,
        recovery=2,
        scratch=12,
        train_images=700,
        selection_images=200,
        test_images=600,
        dense=SplitScores(selection=0.95, test=0.96),
        dense_macs=1000,
        dense_params=1000,
        rows=(
            row("one-shot", pruned(0.7, 0.9)),
            row("slimming", pruned(0.8, 0.92), "during training"),
            row("rigl-weights", pruned(0.75, 0.85, sparse=sparse), "during training"),
            row("lottery-ticket", None, failed="training diverged in epoch 1"),
        ),
    )
