"""autoprune search: the trials, the front they make, the policy that is chosen among them."""

from __future__ import annotations

from pathlib import Path

from autoprune.criteria.criterion import find_criterion
from autoprune.deploy.run_folder import RunFolder
from autoprune.pipeline.commands.results import SearchResult
from autoprune.pipeline.goals.outcome import outcome
from autoprune.pipeline.stages.bench import Bench
from autoprune.pipeline.stages.sequence import choose_into, explore_into
from autoprune.progress import Progress, Silent
from autoprune.searchers.agents import load_agent
from autoprune.spec import RunSpec

_SILENT = Silent()


def search(spec: RunSpec, out: Path, progress: Progress = _SILENT) -> SearchResult:
    """Find a policy and write policy.json, or a front; the same call again resumes, and `run` goes on from it."""
    load_agent(spec.search.agent, spec.search.warm_start)  # a mistyped name is told before anything is made
    find_criterion(spec.search.criterion)
    folder = RunFolder.claim(out, spec)
    bench = Bench(spec, folder, progress)
    explored, subject = explore_into(bench), bench.subject
    result = SearchResult(
        folder=folder.path,
        metric=subject.task.metric,
        trials=len(explored.searched.trials),
        front=folder.front if spec.search.pareto else None,
        frozen={g.name: g.reason for g in subject.network.traced.space.frozen},
    )
    if not spec.chooses:
        return result
    told = outcome(spec, subject, bench.costing, choose_into(bench, explored))
    return result.model_copy(update={"policy": folder.policy, **told})
