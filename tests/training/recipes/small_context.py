"""A small trained network on digits, and all that a recipe needs to prune it to half its multiply-accumulates."""

from __future__ import annotations

import pickle
import threading
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import torch
from narrow import narrow_net
from torch import nn

from autoprune.budget import Budget
from autoprune.cost import CostModel
from autoprune.evaluation.digits import digits
from autoprune.evaluation.images import Subset
from autoprune.feasible import FeasibleSet
from autoprune.progress import Silent
from autoprune.spec import RecipesSpec, TrainingSpec
from autoprune.tracing import trace
from autoprune.training import Data, fit
from autoprune.training.group import Group
from autoprune.training.job import Job, unheard
from autoprune.training.method import Method
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


class Sending(Context):
    """Trains what comes out at the other end of a pickle: what other processes are sent."""

    def train(
        self,
        network: nn.Module,
        spec: TrainingSpec,
        what: str,  # noqa: ARG002 - there is no folder
        method: Method | None = None,
        *,
        teacher: nn.Module | None = None,
        judged: bool = False,
    ) -> nn.Module:
        """See `Context.train`; the method gets back what became of the one that was sent."""
        data, method = self.data if judged else replace(self.data, judging=None), method or Method()
        there: Job = pickle.loads(pickle.dumps(Job(network, data, spec, teacher, method, self.seed, None)))
        trained = there.run(Group(), unheard)
        method.load_state_dict(there.method.state_dict())
        return trained


class Bound(Silent):
    """A listener of this process alone, as one is that draws on the screen."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def sending(context: Context) -> Context:
    """The same context, which sends its trainings."""
    return Sending(**{field.name: getattr(context, field.name) for field in fields(context)} | {"progress": Bound()})


def in_folder(folder: Path) -> Context:
    """The same, whose trainings leave their state there."""
    return replace(context(), folder=folder)
