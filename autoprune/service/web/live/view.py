"""A job as its page shows it, read from its record and its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from autoprune.client.documents import Artefact, Event, JobDocument, MeasuredNetwork, TrialDocument
from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.report.document import Report
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import AutopruneError
from autoprune.profiler.table.verification import Verification
from autoprune.service.api.products import NAMES
from autoprune.service.ledgers import groups_of, trials_of
from autoprune.service.web.numbers.layers import Layer, layers_of, layers_so_far
from autoprune.service.web.numbers.trials import leading


@dataclass(frozen=True, slots=True, eq=False)
class JobView:
    """All that is known of a job."""

    job: JobDocument
    events: tuple[Event, ...] = ()
    trials: tuple[TrialDocument, ...] = ()
    layers: tuple[Layer, ...] = ()
    report: Report | None = None
    artefacts: tuple[Artefact, ...] = field(default=())
    verification: Verification | None = None
    measured: tuple[MeasuredNetwork, ...] = ()

    @property
    def has_policy(self) -> bool:
        """Whether the layers are those of the policy that was chosen."""
        return any(artefact.name == "policy.json" for artefact in self.artefacts)


def view_of(job: JobDocument, events: Sequence[Event], folder: Path) -> JobView:
    """Read what a job has made so far; a file that is not whole yet counts as not there."""
    run = RunFolder(folder)
    trials = trials_of(folder)
    policy = report = verification = None
    with suppress(AutopruneError, OSError, ValidationError):
        if (found := folder / "verification.json").is_file():
            verification = TypeAdapter(Verification).validate_json(found.read_bytes())
        policy = PolicyFile.load(run.policy) if run.policy.is_file() else None
        report = Report.load(run.report) if run.report.is_file() else None
    measured = _measured(folder / "measurement.json")
    made = [Artefact(name=n, bytes=(folder / n).stat().st_size) for n in NAMES if (folder / n).is_file()]
    layers = layers_of(policy) if policy else _layers_so_far(trials, groups_of(folder))
    return JobView(job, tuple(events), tuple(trials), layers, report, tuple(made), verification, measured)


def _measured(path: Path) -> tuple[MeasuredNetwork, ...]:
    with suppress(OSError, ValueError):
        return TypeAdapter(tuple[MeasuredNetwork, ...]).validate_python(json.loads(path.read_text())["networks"])
    return ()


def _layers_so_far(trials: Sequence[TrialDocument], groups: Sequence[tuple[str, int]]) -> tuple[Layer, ...]:
    best = leading(trials)
    return layers_so_far(groups, best.widths) if best else ()
