"""Which jobs of a list are shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoprune.client.documents import JobDocument


@dataclass(frozen=True, slots=True)
class Filter:
    """What a visitor looks for; empty for anything. `name` is any part of a job's name or its owner's."""

    state: str = ""
    name: str = ""

    def with_(self, **wanted: str) -> Filter:
        """The filter with some of it changed."""
        return replace(self, **wanted)


def is_shown(job: JobDocument, wanted: Filter) -> bool:
    """Whether a job is one that is looked for."""
    part = wanted.name.strip().lower()
    return wanted.state in ("", job.state) and (part in job.name.lower() or part in job.owner.lower())
