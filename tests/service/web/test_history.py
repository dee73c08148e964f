from __future__ import annotations

import pytest

from autoprune.client.documents import Event, JobDocument
from autoprune.service.web.numbers.history import (
    doing_text,
    duration_text,
    log_lines,
    progress_share,
    taken_text,
    when_text,
)


def event(number: int, kind: str, **data: str | float) -> Event:
    return Event.model_validate({"number": number, "kind": kind, "at": float(number), "data": data})


def job(**fields: object) -> JobDocument:
    base = {"id": "job_0", "name": "n", "kind": "run", "state": "running", "device": "d", "owner": "", "created": 0.0}
    return JobDocument.model_validate({**base, "spec": {}, **fields})


def test_progress_in_one_piece_of_work_is_one_line() -> None:
    events = [
        event(1, "state", state="queued"),
        event(2, "progress", doing="searching", done=0, total=0),
        event(3, "progress", doing="searching", done=3, total=10, note="best 0.5"),
        event(4, "stage", stage="apply"),
        event(5, "progress", doing="searching", done=1, total=2),
        event(6, "state", state="failed", error="no space"),
    ]
    assert [(line.at, line.text) for line in log_lines(events)] == [
        (1, "queued"),
        (3, "searching: 3 of 10, best 0.5"),
        (4, "stage apply"),
        (5, "searching: 1 of 2"),
        (6, "failed: no space"),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (180, "3 min"), (7800, "2 h 10 min"), (129600, "1.5 days")]
)
def test_lengths_of_time_are_told_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_what_a_job_is_at() -> None:
    at = job(stage="search", doing="searching", done=1, total=4, seconds_left=30)
    assert doing_text(at) == "search: searching, 30 s left"
    assert progress_share(at) == 0.25
    assert doing_text(job(state="failed", error="first\nsecond")) == "first"
    assert progress_share(job(state="queued")) is None
    assert progress_share(job(state="done")) == 1


def test_times_are_utc() -> None:
    assert when_text(0) == "1970-01-01 00:00 UTC"
    assert taken_text(job(started=10.0), 25.0) == "15 s"
    assert taken_text(job(), 25.0) == ""
