"""Which policy is looked for, by whom, and for how long."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.objective import Objective
from autoprune.spec.criterion import DEFAULT_CRITERION, CriterionName
from autoprune.spec.fields import BudgetText, FloorText, Metrics, Patterns, one_a_metric
from autoprune.spec.section import Section


class SearchSpec(Section):
    """Which agent looks for policies, for how long, under which budgets; or down to which score.

    With `budgets` alone, the best policy that keeps them is chosen. With a `floor`, the one of
    least cost (`minimise`) that keeps the floor, and the budgets. `pareto` asks for all best trades
    of score against the costs `minimise`; where neither budgets nor a floor are given, none of
    them is chosen.
    """

    agent: str = Field("knapsack", description="name of an agent (autoprune agents list) or a path to its TOML file")
    warm_start: str | None = Field(None, description="an agent that spends the first quarter of the trials")
    trials: int = Field(200, ge=1, description="policies to score")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of everything random")
    budgets: tuple[BudgetText, ...] = Field((), description='such as ["latency=0.5x"]; all hold at once')
    floor: FloorText | None = Field(None, description="least score on the selection split: dense-0.01, or 0.91")
    minimise: Metrics = Field((), description="what is to be least: one cost under a floor, one or two of a front")
    pareto: bool = Field(False, description="find the front of score against the costs to minimise")
    levels: int = Field(8, ge=2, le=1000, description="budget levels that a front or a floor is searched at")
    criterion: CriterionName = Field(
        DEFAULT_CRITERION, description="which channels go first: a name of autoprune criteria list"
    )
    keep: Patterns = Field((), description="channel groups to leave whole, by name or pattern, as in layer1.*")
    reward: str = Field("accuracy", description="what a trial's reward is: accuracy, R_err, R_FLOPs, R_param, ...")
    finalists: int = Field(5, ge=1, description="best trials refitted and measured before one is chosen")

    @field_validator("reward")
    @classmethod
    def _known_reward(cls, name: str) -> str:
        return Objective(name).name

    @field_validator("budgets")
    @classmethod
    def _distinct_metrics(cls, budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
        return one_a_metric(budgets)

    @model_validator(mode="after")
    def _says_what_to_minimise(self) -> Self:
        if self.floor and len(self.minimise) != 1:
            raise ValueError("a floor needs one cost to minimise, as in minimise = 'latency'")
        if self.minimise and not (self.floor or self.pareto):
            raise ValueError("a cost is minimised down to a floor, or along a front; give floor or pareto")
        if len(set(self.minimise)) != len(self.minimise) or len(self.minimise) > 2:
            raise ValueError(f"minimise one cost, or two different ones, got {', '.join(self.minimise)}")
        return self

    @property
    def traded(self) -> tuple[Metric, ...]:
        """The costs of the front: what is to be minimised, else what budgets limit (two at most), else MACs."""
        return self.minimise or tuple(b.metric for b in self.budgets[:2]) or (Metric.MACS,)

    def concerns(self, metric: Metric) -> bool:
        """Whether `metric` has to be known: a budget limits it, or it is to be minimised."""
        return metric in self.minimise or any(b.metric is metric for b in self.budgets)
