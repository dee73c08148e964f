"""What has happened to a job, folded: its events as lines of a log, and how long things take, in words."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from autoprune.client.documents import Event, JobDocument

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a job's log: when (seconds since 1970 UTC), and what."""

    at: float
    text: str


def log_lines(events: Sequence[Event]) -> list[Line]:
    """One line an event, but of the progress in one piece of work only the last."""
    lines: list[Line] = []
    doing = None
    for event in events:
        current = event.data.get("doing") if event.kind == "progress" else None
        if current is not None and current == doing:
            lines.pop()
        doing = current
        lines.append(Line(event.at, _text(event)))
    return lines


def _text(event: Event) -> str:
    told = event.data
    if event.kind == "progress":
        note = f", {told['note']}" if told.get("note") else ""
        return f"{told.get('doing', '')}: {_share(told.get('done'), told.get('total'))}{note}"
    if event.kind == "stage":
        return f"stage {told.get('stage', '')}"
    if event.kind == "state":
        error = f": {told['error']}" if told.get("error") else ""
        return f"{told.get('state', '')}{error}"
    return str(told.get("text", told))


def _share(done: object, total: object) -> str:
    if not isinstance(done, int | float) or not isinstance(total, int | float) or not total:
        return "begun"
    return f"{done:g} of {total:g}"


def progress_share(job: JobDocument) -> float | None:
    """How much of the work in hand is done, in [0, 1]; None where that is not known."""
    if job.state == "done":
        return 1.0
    return min(1.0, job.done / job.total) if job.state == "running" and job.total else None


def doing_text(job: JobDocument) -> str:
    """What a job is at, in a few words."""
    if job.state == "failed":
        return (job.error or "").partition("\n")[0]
    if job.state != "running":
        return ""
    work = f"{job.stage}: {job.doing}" if job.doing and job.doing != job.stage else job.stage
    left = f", {duration_text(job.seconds_left)} left" if job.seconds_left else ""
    return f"{work}{left}"


def duration_text(seconds: float) -> str:
    """A length of time as people say it: 42 s, 3 min, 2 h 10 min."""
    if seconds < _MINUTE:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    hours, rest = divmod(seconds, _HOUR)
    return f"{hours:.0f} h {rest // _MINUTE:.0f} min" if hours < 24 else f"{seconds / _DAY:.1f} days"


def when_text(at: float) -> str:
    """A time as YYYY-MM-DD HH:MM UTC."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def clock_text(at: float) -> str:
    """A time of day, UTC."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%H:%M:%S")


def taken_text(job: JobDocument, now: float) -> str:
    """How long a job has run, or did."""
    if job.started is None:
        return ""
    return duration_text((job.finished or now) - job.started)
