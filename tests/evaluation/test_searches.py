"""Searches: each agent's trials are the same whether or not anything is kept of networks that begin alike."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from tiny import tiny_net

from autoprune.budget import Budget
from autoprune.cost import CostModel
from autoprune.evaluation.digits import digits
from autoprune.evaluation.evaluator import Evaluator
from autoprune.evaluation.splits import draw_splits
from autoprune.feasible import FeasibleSet
from autoprune.objective import Objective
from autoprune.pruning import Pruner
from autoprune.searchers.agents import find_agents, make_searcher
from autoprune.space import Policy
from autoprune.spec import TaskSpec
from autoprune.tracing import trace
from autoprune.trial import Problem, Trial

TASK = digits()
SPLITS = draw_splits(TASK, TaskSpec(name="digits", calibration=256, validation=300, selection=8), seed=0)
TRIALS = 10


@pytest.fixture(scope="module")
def pruner() -> Pruner:
    torch.manual_seed(0)
    model = tiny_net()
    return Pruner(model, trace(model, SPLITS.calibration.inputs[:1]), SPLITS.calibration.inputs)


def trials(agent: str, pruner: Pruner, kept_bytes: int) -> list[Trial]:
    """What an agent finds at half the multiply-accumulates, racing against the uniform policy."""
    traced = pruner.traced
    feasible = FeasibleSet(traced.space, CostModel(traced.space, traced.counts), [Budget.parse("macs=0.5x")])
    rival = feasible.scaled([0.5] * len(traced.space))
    evaluator = Evaluator(
        pruner.model, pruner.slice, SPLITS.validation, TASK, traced.norm_after, rival=rival, kept_bytes=kept_bytes
    )
    found: list[Trial] = []

    def evaluate(policies: Sequence[Policy]) -> list[Trial]:
        start = len(found)
        for policy, quality in zip(policies, evaluator(policies), strict=True):
            cost = feasible.cost.cost(policy)
            found.append(Trial(len(found), policy, quality, cost, Objective("kl").reward(quality, cost)))
        return found[start:]

    problem = Problem(feasible, evaluate, TRIALS, 0, traced.features, pruner.damages(traced.space))
    make_searcher(find_agents()[agent]).search(problem)
    return found


@pytest.mark.parametrize("agent", find_agents())
def test_what_is_kept_of_other_networks_changes_no_trial(agent: str, pruner: Pruner) -> None:
    plain = trials(agent, pruner, 0)
    assert plain == trials(agent, pruner, 2**21)  # room for some of it
    assert 0 < len(plain) <= TRIALS
