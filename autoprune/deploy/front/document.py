"""front.json: the best trades of score against cost that a search has found."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from autoprune.cost import Metric
from autoprune.deploy.document.base import Amount, Interval, Number, Part, Positive, TaskDocument
from autoprune.deploy.document.goals import BudgetLine


class Point(Part):
    """One network: what it scores, and what it costs."""

    policy: dict[str, Positive] = Field(description="channels kept, by channel group")
    reward: Number = Field(description="what the search maximised, on the validation split")
    validation: Number = Field(
        description="score on the validation split, refitted from the dense network's statistics"
    )
    selection: Number | None = Field(
        None, description="score on the selection split, refitted layer by layer; null where it was not"
    )
    selection_ci95: Interval | None = Field(
        None, description="95% Wilson interval where the score is a share of images"
    )
    best: bool | None = Field(
        None, description="whether no other point scores as much on the selection split for less; null where not scored"
    )
    costs: dict[Metric, Amount] = Field(
        description="all that are known: macs and params are counts, latency ms, energy mJ, memory and size bytes"
    )


class FrontFile(TaskDocument):
    """front.json, schema autoprune.front/1."""

    COMMAND: ClassVar[str] = "autoprune search --pareto"
    schema_: Literal["autoprune.front/1"] = Field("autoprune.front/1", alias="schema")
    traded: Annotated[tuple[Metric, ...], Field(min_length=1)] = Field(
        description="the costs that the front is against"
    )
    budgets: tuple[BudgetLine, ...] = Field(description="kept by every point")
    dense: Point
    points: tuple[Point, ...] = Field(
        description="trials that no other beats in reward and in every traded cost, by ascending cost"
    )

    @property
    def refitted(self) -> tuple[Point, ...]:
        """The points that were scored on the selection split."""
        return tuple(point for point in self.points if point.selection is not None)
