"""recipes.json: one network pruned to the same budgets by one recipe after the other, before and after recovery."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from autoprune.deploy.document.base import Amount, Count, Part, Positive, Share, TaskDocument
from autoprune.deploy.document.goals import BudgetLine, BudgetsElsewhere
from autoprune.deploy.document.split_scores import SplitScores
from autoprune.deploy.document.standing import Latency


class SparseLine(Part):
    """A network of the dense one's shapes with single weights at zero, as a recipe had it before it cut channels."""

    sparsity: Share = Field(description="share of all weights that is zero")
    scores: SplitScores
    latency_ms: Latency = Field(description="dense kernels multiply by zero as by any number")


class PrunedLine(Part):
    """What became of the network by one recipe."""

    before: SplitScores = Field(description="sliced, and refitted where the recipe refits")
    after: SplitScores = Field(description="once it had recovered")
    macs: Count
    params: Count
    latency_ms: Latency
    dense_latency_ms: Latency = Field(description="of the dense network, measured in turns with this one")
    pruning_seconds: Amount
    recovery_seconds: Amount
    parity: Amount = Field(description="largest difference of the outputs in ONNX Runtime from the module's")
    sparse: SparseLine | None = None

    @property
    def latency_share(self) -> float | None:
        """Its latency as a share of the dense network's; None where none was measured."""
        return shared(self.latency_ms, self.dense_latency_ms)


class RecipeRow(Part):
    """One recipe, and what came of it; of one that could not end, `failed` says why."""

    recipe: str
    kind: str
    summary: str
    source: str
    pruned: PrunedLine | None = None
    failed: str | None = None


class RecipesComparison(TaskDocument):
    """recipes.json, schema autoprune.recipes/1."""

    COMMAND: ClassVar[str] = "autoprune compare --recipes"
    schema_: Literal["autoprune.recipes/1"] = Field("autoprune.recipes/1", alias="schema")
    budgets: tuple[BudgetLine, ...]
    also: tuple[BudgetsElsewhere, ...] = Field((), description="budgets on other devices, by their tables")
    seed: Count
    epochs: Positive = Field(description="passes that made the trained network sparse")
    recovery: Count = Field(description="passes after pruning")
    scratch: Positive = Field(description="passes of trainings that began at random weights")
    train_images: Positive
    selection_images: Positive
    test_images: Positive
    dense: SplitScores
    dense_macs: Positive
    dense_params: Positive
    rows: tuple[RecipeRow, ...] = Field(description="one a recipe, in the order in which they were done")

    def row(self, recipe: str) -> RecipeRow | None:
        """The row of this recipe, where it is done."""
        return next((row for row in self.rows if row.recipe == recipe), None)

    @property
    def lines(self) -> tuple[tuple[RecipeRow, PrunedLine], ...]:
        """The recipes that ended, best first: by the recovered network's score on the selection split."""
        ended = [(row, row.pruned) for row in self.rows if row.pruned is not None]
        return tuple(sorted(ended, key=lambda line: (-line[1].after.selection, line[0].recipe)))


def shared(latency: Latency, dense: Latency) -> float | None:
    """A measured latency as a share of another; None where one of them was not measured."""
    if latency.measured is None or not dense.measured:
        return None
    return latency.measured / dense.measured
