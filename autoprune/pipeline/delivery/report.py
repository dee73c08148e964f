"""The report of a run: all its networks exported, measured in turns, tested, and told as JSON and as a page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from torch import nn

from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.document.standing import CostLine, Standing
from autoprune.deploy.front.document import FrontFile
from autoprune.deploy.report.chosen import Chosen
from autoprune.deploy.report.document import Report, SearchLine, TableLine
from autoprune.deploy.report.page import render
from autoprune.deploy.run_folder import RunFolder
from autoprune.evaluation.evaluator import scores
from autoprune.evaluation.registry import builtin_tasks
from autoprune.files import write_atomic
from autoprune.pipeline.costs.costing import Costing
from autoprune.pipeline.costs.table import digest
from autoprune.pipeline.delivery.measuring import Candidate, cost_lines
from autoprune.pipeline.goals.outcome import other_devices
from autoprune.pipeline.goals.search import Explored
from autoprune.pipeline.subject import Subject
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.written import document
from autoprune.progress import Progress
from autoprune.searchers.ledger import Ledger
from autoprune.space import Policy, SearchSpace
from autoprune.spec import RunSpec
from autoprune.trial import Trial


def measure_and_report(
    spec: RunSpec,
    subject: Subject,
    costing: Costing,
    ledger: Ledger,
    chosen: Chosen,
    policy: Policy,
    candidates: Mapping[str, Candidate],
    folder: RunFolder,
    progress: Progress,
) -> None:
    """Measure all of `candidates` (dense, pruned, finetuned) in turns, test them, write the page and the report."""
    network, task = subject.network, subject.task
    example = network.images(spec.device.batch)
    with progress.stage("measuring in turns"):
        lines = cost_lines(list(candidates.values()), example, spec.device.device)
    with progress.stage("testing"):
        standings = {
            name: _standing(subject, candidate.module, costs)
            for (name, candidate), costs in zip(candidates.items(), lines, strict=True)
        }
    report = Report(
        model=spec.model.name,
        task=task.name,
        metric=task.metric,
        device=document(Fingerprint.here(spec.device.device)),
        budgets=tuple(BudgetLine.of(b) for b in spec.search.budgets),
        floor=chosen.floor,
        dense=standings["dense"],
        pruned=standings["pruned"],
        finetuned=standings.get("finetuned"),
        search=chosen.search,
        generalisation=chosen.scores.tested(standings["pruned"].score),
        table=_table_line(spec, subject, costing, folder),
        also=other_devices(spec, costing, policy),
        policy=dict(zip((g.name for g in network.traced.space.groups), policy.widths, strict=True)),
    )
    trials = ledger.trials(chosen.search.agent, spec.search.seed)
    write_page(report, trials, ledger.dense, network.traced.space, spec, folder)
    report.write(folder.report)


def _standing(subject: Subject, module: nn.Module, costs: CostLine) -> Standing:
    test = subject.splits.test
    score = float(scores(module, test, subject.task).double().mean())
    return Standing.scoring(score, costs, images=subject.images_scored(test))


def search_line(spec: RunSpec, explored: Explored) -> SearchLine:
    """Who searched, and how fast this process did."""
    searched = explored.searched
    seconds = searched.evaluation_seconds
    return SearchLine(
        agent=explored.agent,
        criterion=spec.search.criterion,
        seed=spec.search.seed,
        trials=len(searched.trials),
        seconds=seconds,
        trials_per_second=searched.scored / seconds if seconds else 0.0,
    )


def _table_line(spec: RunSpec, subject: Subject, costing: Costing, folder: RunFolder) -> TableLine | None:
    if costing.table is None:
        return None
    return TableLine.of(costing.table, digest(subject.network, spec.device.batch), spec.device.table or folder.table)


def write_page(
    report: Report,
    trials: Sequence[Trial],
    dense: Trial | None,
    space: SearchSpace,
    spec: RunSpec,
    folder: RunFolder,
) -> None:
    """report.html."""
    commands = verify_commands(spec, report.table, folder) if report.table else ()
    front = FrontFile.load(folder.front) if folder.front.is_file() else None
    page = render(report, trials, space, dense=dense, spec_toml=spec.to_toml(), verify_with=commands, front=front)
    write_atomic(folder.page, page)


def verify_commands(spec: RunSpec, table: TableLine, folder: RunFolder) -> tuple[str, str]:
    """What to type to check the run's latency table against the clock, and to have it on the page."""
    # A module or a task that was handed over in Python has no name to be found by.
    by_name = "fingerprint" not in spec.model.options and (spec.task.name in builtin_tasks() or ":" in spec.task.name)
    size = ",".join(map(str, table.input_shape))
    network = ["--spec", str(folder.spec)] if by_name else ["--model", "MODULE:FUNCTION", "--input", size]
    return (
        shlex.join(["autoprune", "tables", "verify", table.path, *network]),
        shlex.join(["autoprune", "report", str(folder.path)]),
    )
