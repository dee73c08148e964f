"""autoprune run, the whole main job: profile if needed, search, apply, fine-tune, export, measure, report."""

from __future__ import annotations

from pathlib import Path

from autoprune.criteria.criterion import find_criterion
from autoprune.deploy.report.document import Report
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput
from autoprune.pipeline.stages.bench import Bench
from autoprune.pipeline.stages.sequence import STAGES
from autoprune.progress import Progress, Silent
from autoprune.searchers.agents import load_agent
from autoprune.spec import RunSpec
from autoprune.training import require_devices

_SILENT = Silent()


def run(spec: RunSpec, out: Path, progress: Progress = _SILENT) -> Report:
    """Profile if needed, search, apply, fine-tune, export, measure, report; the same call again resumes.

    A run that is finished is not done again: its report is read.
    """
    return run_stages(claim(spec, out, progress))


def claim(spec: RunSpec, out: Path, progress: Progress) -> Bench:
    """The bench of a run of `spec` in the folder `out`; raises `BadInput`, with nothing made, where it cannot be."""
    require_choice(spec)
    require_hardware(spec, out)
    load_agent(spec.search.agent, spec.search.warm_start)  # a mistyped name is told before anything is made
    find_criterion(spec.search.criterion)
    return Bench(spec, RunFolder.claim(out, spec), progress)


def require_choice(spec: RunSpec) -> None:
    """Raise `BadInput` where nothing says which network is to be delivered."""
    if not spec.chooses:
        raise BadInput(
            "a front alone chooses no network to deliver; add --budget or --floor, or find the front with autoprune "
            "search and choose from it with autoprune retarget"
        )


def require_hardware(spec: RunSpec, out: Path) -> None:
    """Raise `BadInput` where a run that is not over yet is to fine-tune on devices that are not there."""
    if spec.finetune.epochs and not RunFolder(out).report.is_file():
        require_devices(spec.finetune)


def run_stages(bench: Bench) -> Report:
    """Whatever is left to do of the run on `bench`."""
    if not bench.folder.report.is_file():
        for work in STAGES.values():
            work(bench)
    return Report.load(bench.folder.report)
