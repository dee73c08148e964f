"""What was asked for, as documents hold it, and whether it is kept: budgets, a floor, budgets on other devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field

from autoprune.budget import Budget
from autoprune.cost import Cost, Metric
from autoprune.deploy.document.base import Amount, Number, Part
from autoprune.deploy.document.standing import CostLine, Source


class BudgetLine(Part):
    """A budget as it was asked for."""

    metric: Metric
    limit: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    relative: bool = Field(description="whether `limit` is a share of the dense network's cost")

    @classmethod
    def of(cls, budget: Budget) -> Self:
        """The line of a budget."""
        return cls(metric=budget.metric, limit=budget.limit, relative=budget.relative)

    def __str__(self) -> str:
        return str(Budget(self.metric, self.limit, self.relative))


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """Whether `value <= budget.limit`: a share of the dense cost for a relative budget, else in the metric's unit."""

    budget: BudgetLine
    value: float | None
    source: Source | None

    @property
    def kept(self) -> bool | None:
        """The answer, from the best number known; None where there is none."""
        return None if self.value is None else self.value <= self.budget.limit

    @classmethod
    def of(cls, budget: BudgetLine, after: CostLine, dense: CostLine) -> Self:
        """Whether a network that costs `after` keeps `budget`, by the best number known."""
        found = after.ratio(dense, budget.metric) if budget.relative else after.value(budget.metric)
        return cls(budget, *(found or (None, None)))


class FloorLine(Part):
    """A floor as it was asked for, and the score of the chosen network: on the selection split, before fine-tuning."""

    asked: str = Field(description="dense-0.01, or the score itself")
    minimised: Metric
    least: Number = Field(description="the least score that keeps the floor")
    score: Number
    score_ci95: tuple[float, float] | None = Field(
        None, description="95% Wilson interval where the score is a share of images"
    )
    dense: Number = Field(description="the dense network's score on that split")
    difference_ci95: tuple[float, float] = Field(
        description="95% interval of the score less the dense one, both on the same images (normal approximation)"
    )

    @property
    def kept(self) -> bool:
        """Whether the score is at least what was asked for."""
        return self.score >= self.least


class Predicted(Part):
    """What a device's table says of one network; null where it does not."""

    latency_ms: Amount | None = None
    energy_mj: Amount | None = Field(None, description="by the table's energy model")

    @classmethod
    def of(cls, cost: Cost) -> Self:
        """The two of a cost."""
        return cls(latency_ms=cost.latency_ms, energy_mj=cost.energy_mj)

    def value(self, metric: Metric) -> float | None:
        """Latency or energy."""
        return self.latency_ms if metric is Metric.LATENCY else self.energy_mj


class BudgetsElsewhere(Part):
    """What is asked for on a device that is not at hand, whose table tells its costs."""

    device: str
    table: str
    budgets: tuple[BudgetLine, ...]

    def __str__(self) -> str:
        return ", ".join(f"{budget} on {self.device}" for budget in self.budgets)


class OtherDevice(BudgetsElsewhere):
    """A device that was not at hand: what its table predicts there, which nothing has measured."""

    dense: Predicted
    pruned: Predicted

    def check(self, budget: BudgetLine) -> BudgetCheck:
        """Whether the pruned network is predicted to keep `budget` there."""
        source: Source = "predicted" if budget.metric is Metric.LATENCY else "modelled"
        value, dense = self.pruned.value(budget.metric), self.dense.value(budget.metric)
        if value is None or dense is None:
            return BudgetCheck(budget, None, None)
        return BudgetCheck(budget, value / dense if budget.relative else value, source)
