"""What the service remembers, in a SQLite file of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from autoprune.errors import BadInput
from autoprune.service.records import events, jobs, tokens, workers
from autoprune.service.records.database import open_database
from autoprune.service.records.jobs import NewJob, SameKey


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return open_database(f"sqlite:///{tmp_path / 'service.db'}")


def new(engine: sa.Engine, job: str, key: str | None = None) -> None:
    with engine.begin() as connection:
        jobs.insert(connection, NewJob(job, "name", "run", "local", "token", "owner", key, "digest", {}))


def test_a_database_that_cannot_be_opened_is_told_without_its_password() -> None:
    with pytest.raises(BadInput) as refused:
        open_database("postgresql://me:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(refused.value)


def test_a_state_is_changed_once_and_told_once(engine: sa.Engine) -> None:
    new(engine, "a")
    assert jobs.begin(engine, "a", "search", "worker") is not None
    assert jobs.end(engine, "a", "cancelled")
    assert not jobs.end(engine, "a", "done")
    assert jobs.begin(engine, "a", "apply", "worker") is None
    told = [(event.number, event.kind, event.data) for event in events.after(engine, "a", 0)]
    assert told == [
        (1, "state", {"state": "queued"}),
        (2, "stage", {"stage": "search"}),
        (3, "state", {"state": "cancelled"}),
    ]


def test_events_of_many_writers_have_numbers_without_gaps(engine: sa.Engine) -> None:
    new(engine, "a")
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda number: jobs.report(engine, "a", "x", number, 100, "", 0), range(100)))
    assert [event.number for event in events.after(engine, "a", 0)] == list(range(1, 102))
    assert events.last_numbers(engine, ["a", "b"]) == {"a": 101}


def test_a_job_that_a_worker_holds_is_not_deleted(engine: sa.Engine) -> None:
    new(engine, "a")
    jobs.begin(engine, "a", "search", "worker")
    assert not jobs.delete(engine, "a")
    jobs.end(engine, "a", "cancelled")
    assert not jobs.delete(engine, "a")
    jobs.release(engine, "a")
    assert jobs.delete(engine, "a")
    assert jobs.find(engine, "a") is None
    assert events.after(engine, "a", 0) == []


def test_a_key_is_taken_once_and_leaves_no_half_job(engine: sa.Engine) -> None:
    new(engine, "a", key="mine")
    with pytest.raises(SameKey):
        new(engine, "b", key="mine")
    assert jobs.find(engine, "b") is None
    assert events.after(engine, "b", 0) == []
    new(engine, "c")
    new(engine, "d")  # without a key, any number


def test_a_job_that_kills_its_workers_fails_at_last(engine: sa.Engine) -> None:
    new(engine, "a")
    for number in range(jobs.MOST_DEATHS + 1):
        assert jobs.begin(engine, "a", "search", f"worker{number}") is not None
    assert jobs.begin(engine, "a", "search", "the last") is None
    found = jobs.find(engine, "a")
    assert found is not None
    assert found.state == "failed"
    assert "have died" in str(found.error)


def test_deaths_are_counted_anew_in_each_stage(engine: sa.Engine) -> None:
    new(engine, "a")
    for stage in ("search", "apply"):
        for number in range(jobs.MOST_DEATHS):
            assert jobs.begin(engine, "a", stage, f"worker{number}") is not None


def test_a_session_ends_with_its_token(engine: sa.Engine) -> None:
    token = tokens.create(engine, "me", "submit")
    session = tokens.open_session(engine, token.id)
    found = tokens.of_session(engine, session.secret, session.csrf)
    assert found is not None
    assert found[1]
    assert tokens.of_session(engine, session.secret, "guess") == (found[0], False)
    assert tokens.of_session(engine, "guess", session.csrf) is None
    other = tokens.open_session(engine, token.id)
    assert tokens.live_sessions(engine, [session.secret, other.secret, "guess"]) == {session.secret, other.secret}
    tokens.close_session(engine, other.secret)
    assert tokens.live_sessions(engine, [session.secret, other.secret]) == {session.secret}
    tokens.revoke(engine, token.id)
    assert tokens.live_sessions(engine, [session.secret]) == set()
    assert tokens.of_session(engine, session.secret, session.csrf) is None


def test_a_worker_that_is_silent_is_given_up(engine: sa.Engine) -> None:
    workers.enter(engine, "a", ["local"])
    assert workers.beat(engine, "a")
    assert workers.alive(engine, 60) == {"a": ["local"]}
    assert workers.alive(engine, 0) == {}
    workers.give_up(engine, 60)
    assert workers.beat(engine, "a")
    workers.give_up(engine, -1)
    assert not workers.beat(engine, "a")
