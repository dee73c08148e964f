"""criteria.json: one policy, its channels chosen by one criterion after the other, before and after recovery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from autoprune.deploy.document.base import Amount, Count, Part, Positive, TaskDocument
from autoprune.deploy.document.goals import BudgetLine, BudgetsElsewhere
from autoprune.deploy.document.split_scores import SplitScores

STAGES = ("sliced", "refitted", "reconstructed", "finetuned")


class CriterionRow(Part):
    """One criterion with one seed: what became of its network in each stage of recovery; null where left out.

    Of a criterion that has no answer for one of the groups, `unanswered` says why and all else is null.
    """

    criterion: str
    seed: Count
    ranking_seconds: Amount | None = Field(None, description="from the evidence to the channels' order")
    sliced: SplitScores | None = Field(None, description="channels cut away and nothing else")
    refitted: SplitScores | None = Field(None, description="least squares, layer by layer")
    reconstructed: SplitScores | None = Field(None, description="blocks trained to answer as the dense ones")
    finetuned: SplitScores | None = None
    parity: Amount | None = Field(
        None, description="largest difference of the last network's outputs in ONNX Runtime from the module's"
    )
    unanswered: str | None = None

    def stage(self, name: str) -> SplitScores | None:
        """The scores after the stage of this name."""
        found: SplitScores | None = getattr(self, name)
        return found


class CriterionLine(Part):
    """One criterion's means over the seeds."""

    criterion: str
    rows: tuple[CriterionRow, ...]

    def mean(self, stage: str, split: str) -> float | None:
        """Mean score after a stage on a split; None where the criterion has no answer or the stage was left out."""
        found = [getattr(scores, split) for row in self.rows if (scores := row.stage(stage))]
        return float(np.mean(found)) if found else None

    @property
    def ranking_seconds(self) -> float | None:
        """Mean time of ranking."""
        found = [row.ranking_seconds for row in self.rows if row.ranking_seconds is not None]
        return float(np.mean(found)) if found else None


class CriteriaComparison(TaskDocument):
    """criteria.json, schema autoprune.criteria/1."""

    COMMAND: ClassVar[str] = "autoprune compare --criteria"
    schema_: Literal["autoprune.criteria/1"] = Field("autoprune.criteria/1", alias="schema")
    budgets: tuple[BudgetLine, ...]
    also: tuple[BudgetsElsewhere, ...] = Field((), description="budgets on other devices, by their tables")
    policy: dict[str, Positive] = Field(description="channels that every criterion keeps, by group: uniform shares")
    selection_images: Positive
    test_images: Positive
    dense: SplitScores = Field(description="with the first seed's selection split")
    gathering_seconds: Amount | None = Field(
        None, description="all criteria's evidence, in one pass; of the last seed that was looked at"
    )
    rows: tuple[CriterionRow, ...] = Field(description="one a criterion and seed, in the order in which they were done")

    def row(self, criterion: str, seed: int) -> CriterionRow | None:
        """The row of this criterion and seed, where it is done."""
        return next((row for row in self.rows if (row.criterion, row.seed) == (criterion, seed)), None)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that were gone through, in their order."""
        return tuple(name for name in STAGES if any(row.stage(name) for row in self.rows))

    @property
    def lines(self) -> tuple[CriterionLine, ...]:
        """Every criterion that has an answer, best first: by its last stage on the selection split."""
        last = self.stages[-1] if self.stages else STAGES[0]
        return tuple(sorted(_by_criterion(self.rows), key=lambda line: (-_known(line, last), line.criterion)))

    @property
    def unanswered(self) -> dict[str, str]:
        """Criteria that have no answer for one of the groups, and why."""
        return {row.criterion: row.unanswered for row in self.rows if row.unanswered is not None}


def _by_criterion(rows: Sequence[CriterionRow]) -> list[CriterionLine]:
    answered = [row for row in rows if row.unanswered is None]
    names = dict.fromkeys(row.criterion for row in answered)
    return [CriterionLine(criterion=n, rows=tuple(r for r in answered if r.criterion == n)) for n in names]


def _known(line: CriterionLine, stage: str) -> float:
    score = line.mean(stage, "selection")
    return -np.inf if score is None else score
