"""autoprune run, the whole main job: profile if needed, search, apply, fine-tune, export, measure, report."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from autoprune.deploy.report.document import Report
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput
from autoprune.pipeline.commands.search import choose_into, explore_into
from autoprune.pipeline.costs.costing import cost_policies
from autoprune.pipeline.delivery.candidates import candidates_of
from autoprune.pipeline.delivery.report import deliver
from autoprune.pipeline.goals.search import Found
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Progress, Silent
from autoprune.searchers.agents import load_agent
from autoprune.spec import RunSpec

_SILENT = Silent()


def run(spec: RunSpec, out: Path, progress: Progress = _SILENT) -> Report:
    """Profile if needed, search, apply, fine-tune, export, measure, report; the same call again resumes."""
    require_choice(spec)
    load_agent(spec.search.agent, spec.search.warm_start)  # a mistyped name is told before anything is made
    folder = RunFolder.claim(out, spec)
    return run_subject(spec, prepare(spec, folder, progress), folder, progress)[0]


def require_choice(spec: RunSpec) -> None:
    """Raise `BadInput` where nothing says which network is to be delivered."""
    if not spec.chooses:
        raise BadInput(
            "a front alone chooses no network to deliver; add --budget or --floor, or find the front with autoprune "
            "search and choose from it with autoprune retarget"
        )


def run_subject(
    spec: RunSpec, subject: Subject, folder: RunFolder, progress: Progress
) -> tuple[Report, Found, nn.Module]:
    """Like `run`, for a subject that is loaded; also returns what the search found and the final module."""
    costing = cost_policies(subject.network, spec, folder.table, progress)
    explored = explore_into(folder, spec, subject, costing, progress)
    found = choose_into(folder, spec, subject, costing, explored, progress)
    candidates = candidates_of(spec, subject, costing, found, progress)
    report = deliver(spec, subject, costing, explored, found, candidates, folder, progress)
    return report, found, list(candidates.values())[-1].module
