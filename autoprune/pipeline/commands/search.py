"""autoprune search: the trials, the front they make, the policy that is chosen among them."""

from __future__ import annotations

from pathlib import Path

from autoprune.deploy.run_folder import RunFolder
from autoprune.pipeline.commands.results import SearchResult
from autoprune.pipeline.costs.costing import Costing, cost_policies
from autoprune.pipeline.delivery.export import policy_file
from autoprune.pipeline.delivery.keeping import keep_when_measured
from autoprune.pipeline.goals.fronts import front_of, write_front
from autoprune.pipeline.goals.outcome import outcome
from autoprune.pipeline.goals.search import Explored, Found, choose, explore
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Progress, Silent
from autoprune.searchers.agents import load_agent
from autoprune.spec import RunSpec

_SILENT = Silent()


def search(spec: RunSpec, out: Path, progress: Progress = _SILENT) -> SearchResult:
    """Find a policy and write policy.json, or a front; the same call again resumes, and `run` goes on from it."""
    load_agent(spec.search.agent, spec.search.warm_start)  # a mistyped name is told before anything is made
    folder = RunFolder.claim(out, spec)
    subject = prepare(spec, folder, progress)
    costing = cost_policies(subject.network, spec, folder.table, progress)
    explored = explore_into(folder, spec, subject, costing, progress)
    result = SearchResult(
        folder=folder.path,
        metric=subject.task.metric,
        trials=len(explored.searched.trials),
        front=folder.front if spec.search.pareto else None,
        frozen={g.name: g.reason for g in subject.network.traced.space.frozen},
    )
    if not spec.chooses:
        return result
    found = choose_into(folder, spec, subject, costing, explored, progress)
    told = outcome(spec, subject, costing, found)
    return result.model_copy(update={"policy": folder.policy, **told})


def explore_into(folder: RunFolder, spec: RunSpec, subject: Subject, costing: Costing, progress: Progress) -> Explored:
    """Spend the search's trials; the front is written where one was asked for."""
    explored = explore(spec, subject, costing, folder, progress)
    if spec.search.pareto:
        feasible = costing.feasible(spec.search.budgets)
        write_front(front_of(spec, subject, feasible, explored, progress), spec, folder)
    return explored


def choose_into(
    folder: RunFolder, spec: RunSpec, subject: Subject, costing: Costing, explored: Explored, progress: Progress
) -> Found:
    """The chosen policy, which keeps its budgets when measured; policy.json is written."""
    chosen = choose(explored, progress)
    found = keep_when_measured(spec, subject, costing, chosen, spec.device.device, progress)
    policy_file(subject.network, found.kept).write(folder.policy)
    return found
