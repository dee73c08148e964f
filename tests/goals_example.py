"""What may be asked of a run beside budgets here: a floor, and budgets on another device."""

from __future__ import annotations

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.deploy.document.goals import BudgetLine, FloorLine, OtherDevice, Predicted


def line(text: str) -> BudgetLine:
    """The line of a budget, from its words."""
    return BudgetLine.of(Budget.parse(text))


FLOOR = FloorLine(
    asked="dense-0.01",
    minimised=Metric.LATENCY,
    least=0.92,
    score=0.925,
    score_ci95=(0.9, 0.945),
    dense=0.93,
    difference_ci95=(-0.012, 0.002),
)
ELSEWHERE = OtherDevice(
    device="Cortex-A76 (1 thread)",
    table="phone.json",
    budgets=(line("latency=0.5x"), line("energy=3mJ")),
    dense=Predicted(latency_ms=10.0, energy_mj=8.0),
    pruned=Predicted(latency_ms=6.0, energy_mj=2.0),
)
