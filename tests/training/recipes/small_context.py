"""A small trained network on digits, and all that a recipe needs to prune it to half its multiply-accumulates."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from narrow import narrow_net

from autoprune.budget import Budget
from autoprune.cost import CostModel
from autoprune.evaluation.digits import digits
from autoprune.evaluation.images import Subset
from autoprune.feasible import FeasibleSet
from autoprune.spec import RecipesSpec, TrainingSpec
from autoprune.tracing import trace
from autoprune.training import Data, fit
from autoprune.training.recipes import Context

SPEC = RecipesSpec(epochs=2, recovery=1, scratch=2, batch=32)
EXAMPLE = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@cache
def context() -> Context:
    """Trained for three epochs on 600 digits, judged on 200 others."""
    task = digits()
    data = Data(Subset(task.train, torch.arange(600)), Subset(task.train, torch.arange(600, 800)), task.augment)
    torch.manual_seed(0)
    dense = fit(narrow_net(), data, TrainingSpec(epochs=3, learning_rate=0.05, batch=32))
    traced = trace(dense, EXAMPLE)
    feasible = FeasibleSet(traced.space, CostModel(traced.space, traced.counts), [Budget.parse("macs=0.5x")])
    inputs, _ = data.train.batch(torch.arange(64))
    return Context(dense, traced, feasible, data, inputs, SPEC)


def in_folder(folder: Path) -> Context:
    """The same, whose trainings leave their state there."""
    return replace(context(), folder=folder)
