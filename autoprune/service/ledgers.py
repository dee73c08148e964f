"""What the search of a job has scored so far, read from the ledger in the job's folder."""

from __future__ import annotations

import functools
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from autoprune.client.documents import TrialDocument
from autoprune.deploy.run_folder import RunFolder
from autoprune.spec import RunSpec

if TYPE_CHECKING:
    from autoprune.searchers.ledger import Ledger

_one_reader = threading.Lock()  # a ledger is no place for two threads


def trials_of(path: Path) -> list[TrialDocument]:
    """The trials of the run in the folder `path`, in the order in which they were scored."""
    folder = RunFolder(path)
    if not _has_begun(folder):
        return []
    with _one_reader:
        recorded = _ledger(folder).by_agent()
    return [
        TrialDocument(
            number=trial.number,
            agent=agent,
            reward=_number(trial.reward),
            score=_number(trial.quality.score),
            costs={str(metric): value for metric, value in trial.cost.known.items()},
            widths=trial.policy.widths,
        )
        for agent, trial in recorded
    ]


def groups_of(path: Path) -> list[tuple[str, int]]:
    """Name and dense width of each channel group, in the order of the trials' widths; [] where nothing was scored."""
    from autoprune.searchers.ledger import GROUPS

    folder = RunFolder(path)
    if not _has_begun(folder):
        return []
    with _one_reader:
        kept = _ledger(folder).kept(GROUPS)
    return TypeAdapter(list[tuple[str, int]]).validate_python(kept or [])


def _has_begun(folder: RunFolder) -> bool:
    return folder.study.is_file() and folder.spec.is_file()


@functools.lru_cache(maxsize=16)
def _ledger(folder: RunFolder) -> Ledger:
    """Kept open, so that those who look again and again read what is new only."""
    from autoprune.searchers.ledger import Ledger

    return Ledger(folder.study, RunSpec.load(folder.spec).name, None)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
