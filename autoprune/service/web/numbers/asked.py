"""What the form of a new job asks for, as the RunSpec that is submitted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autoprune.client.documents import TableDocument
from autoprune.cost import Metric
from autoprune.spec import DEFAULT_CRITERION


@dataclass(slots=True)
class AskedBudget:
    """One budget: a share of the dense network's cost, or, where that is not None, an `amount` with its unit."""

    metric: Metric = Metric.LATENCY
    share: float = 0.5
    amount: str | None = None

    @property
    def text(self) -> str:
        """As a RunSpec has it: latency=0.5x, latency=8ms."""
        return f"{self.metric}={self.share:.4g}x" if self.amount is None else f"{self.metric}={self.amount.strip()}"


@dataclass(slots=True)
class Asked:
    """The fields of the form; `table` and `weights` are empty where none is chosen, the rest as in a RunSpec."""

    name: str
    model: str
    task: str
    device: str
    provider: str
    agent: str
    budgets: list[AskedBudget] = field(default_factory=lambda: [AskedBudget()])
    table: str = ""
    foreign: bool = False
    weights: str = ""
    criterion: str = DEFAULT_CRITERION
    trials: int = 200
    seed: int = 0
    images: int = 512
    epochs: int = 0
    steps: int = 200
    together: int = 800


def spec_tree(asked: Asked) -> dict[str, Any]:
    """The RunSpec, as JSON."""
    model = {"name": asked.model, **({"weights": asked.weights} if asked.weights else {})}
    images = dict.fromkeys(("calibration", "validation", "selection"), asked.images)
    table = {"table": asked.table, "allow_foreign_table": asked.foreign} if asked.table else {}
    return {
        "name": asked.name,
        "model": model,
        "task": {"name": asked.task, **images},
        "device": {"provider": asked.provider, **table},
        "search": {
            "agent": asked.agent,
            "criterion": asked.criterion,
            "trials": asked.trials,
            "seed": asked.seed,
            "budgets": [budget.text for budget in asked.budgets],
        },
        "reconstruction": {"steps": asked.steps, "together": asked.together},
        "finetune": {"epochs": asked.epochs},
    }


def tables_for(model: str, tables: list[TableDocument]) -> list[tuple[TableDocument, str]]:
    """The tables that hold a network of this name, each with the network's digest."""
    return [(table, held.digest) for table in tables for held in table.networks if held.name == model]
