"""What was asked for in words, and whether it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autoprune.deploy.document.goals import BudgetCheck, BudgetLine, FloorLine, OtherDevice
from autoprune.deploy.words.amounts import NAMES, OF_A_DEVICE, amount_text, interval_text, number, score_text


@dataclass(frozen=True, slots=True)
class GoalRow:
    """A budget or a floor in words, and whether it is kept (None: no number is known)."""

    kind: Literal["Budget", "Floor"]
    asked: str
    found: str
    kept: bool | None


def floor_and_other_rows(floor: FloorLine | None, metric: str, also: Sequence[OtherDevice]) -> list[GoalRow]:
    """What was asked for beside budgets on the first device: a floor, and budgets on other devices."""
    elsewhere = [budget_row(other.check(budget), other.device) for other in also for budget in other.budgets]
    return [*([floor_row(floor, metric)] if floor else []), *elsewhere]


def floor_row(floor: FloorLine, metric: str) -> GoalRow:
    """Whether the chosen network keeps the floor, and how surely."""
    relative = f" ({floor.asked})" if floor.asked.startswith("dense") else ""
    asked = f"{metric} at least {score_text(floor.least, metric)}{relative}, with the least {NAMES[floor.minimised]}"
    interval = f", 95% interval {interval_text(floor.score_ci95, metric)}" if floor.score_ci95 else ""
    low, high = (score_text(end, metric) for end in floor.difference_ci95)
    found = (
        f"{'kept' if floor.kept else 'not kept'}: {score_text(floor.score, metric)} on the selection split{interval}; "
        f"dense {score_text(floor.dense, metric)}, difference {low} to {high}"
    )
    return GoalRow("Floor", asked, found, floor.kept)


def budget_row(check: BudgetCheck, device: str = "") -> GoalRow:
    """Whether a budget is kept, on `device` where that is not the one at hand."""
    budget, value, source = check.budget, check.value, check.source
    share = f"{number(budget.limit, 3, zeros=False)}× the dense network's"
    there = f" on {device}" if device and budget.metric in OF_A_DEVICE else ""
    asked = f"{NAMES[budget.metric]}{there} at most {share if budget.relative else _absolute_text(budget)}"
    if value is None or source is None:
        return GoalRow("Budget", asked, "not known: nothing measured or predicted it", None)
    found = f"{number(value, 3)}×" if budget.relative else amount_text(value, budget.metric)
    if value <= budget.limit:
        return GoalRow("Budget", asked, f"kept: {found}, {source}", True)
    over = number(100 * (value / budget.limit - 1), 2)
    return GoalRow("Budget", asked, f"not kept: {found}, {source}, {over}% over", False)


def _absolute_text(budget: BudgetLine) -> str:
    return amount_text(budget.limit, budget.metric, zeros=False)
