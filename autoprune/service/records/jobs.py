"""The jobs: what was asked for, where each stands. A state changes in one transaction with the event that tells it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import JsonValue
from sqlalchemy.exc import IntegrityError

from autoprune.client.documents import FINISHED, JobDocument, JobPage, Kind, State
from autoprune.service.records import events
from autoprune.service.records.database import now, writing
from autoprune.service.records.schema import events as events_table
from autoprune.service.records.schema import jobs

MOST_DEATHS = 50
WAITING: tuple[State, ...] = ("queued", "running")


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is submitted; `key` is the idempotency key, `digest` stands for all that was asked."""

    id: str
    name: str
    kind: Kind
    device: str
    token: str
    owner: str
    key: str | None
    digest: str
    spec: dict[str, JsonValue]


class SameKey(Exception):
    """The token has submitted a job under this idempotency key before."""


def insert(connection: sa.Connection, job: NewJob) -> None:
    """Write a queued job, in the caller's transaction; raises `SameKey`."""
    row = {
        "id": job.id,
        "name": job.name,
        "kind": job.kind,
        "state": "queued",
        "device": job.device,
        "token": job.token,
        "owner": job.owner,
        "key": job.key,
        "digest": job.digest,
        "spec": json.dumps(job.spec),
        "created": now(),
    }
    try:
        connection.execute(jobs.insert().values(row))
    except IntegrityError as error:
        raise SameKey from error
    events.append(connection, job.id, "state", {"state": "queued"})


def find(engine: sa.Engine, job: str) -> JobDocument | None:
    """The job with this id, if there is one."""
    with engine.connect() as connection:
        return within(connection, job)


def within(connection: sa.Connection, job: str) -> JobDocument | None:
    """The job with this id as the caller's transaction sees it, if there is one."""
    row = connection.execute(sa.select(jobs).where(jobs.c.id == job)).one_or_none()
    return None if row is None else document(row)


def token_of(engine: sa.Engine, job: str) -> str | None:
    """The id of the token that submitted the job, if there is such a job."""
    with engine.connect() as connection:
        return connection.execute(sa.select(jobs.c.token).where(jobs.c.id == job)).scalar_one_or_none()


def find_key(engine: sa.Engine, token: str, key: str) -> tuple[JobDocument, str] | None:
    """The job that `token` submitted under an idempotency key, and the digest of what was asked."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(jobs).where(jobs.c.token == token, jobs.c.key == key)).one_or_none()
    return None if row is None else (document(row), row.digest)


def page(
    engine: sa.Engine,
    *,
    states: Sequence[str] = (),
    name: str | None = None,
    owner: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> JobPage:
    """The newest jobs that fit; `before` is the id of the last job of the page before."""
    query = sa.select(jobs).order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit + 1)
    if states:
        query = query.where(jobs.c.state.in_(states))
    if name is not None:
        query = query.where(jobs.c.name.contains(name, autoescape=True))
    if owner is not None:
        query = query.where(jobs.c.owner == owner)
    if before is not None:
        created = sa.select(jobs.c.created).where(jobs.c.id == before).scalar_subquery()
        query = query.where(sa.tuple_(jobs.c.created, jobs.c.id) < sa.tuple_(created, sa.literal(before)))
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    found = tuple(document(row) for row in rows[:limit])
    return JobPage(jobs=found, next=found[-1].id if len(rows) > limit else None)


def count_waiting(connection: sa.Connection, token: str) -> int:
    """How many jobs of a token are queued or running, as the caller's transaction sees it."""
    query = sa.select(sa.func.count()).where(jobs.c.token == token, jobs.c.state.in_(WAITING))
    return int(connection.execute(query).scalar_one())


def count_by_state(engine: sa.Engine) -> dict[tuple[str, str], int]:
    """How many jobs there are, by (device, state)."""
    query = sa.select(jobs.c.device, jobs.c.state, sa.func.count()).group_by(jobs.c.device, jobs.c.state)
    with engine.connect() as connection:
        return {(device, state): number for device, state, number in connection.execute(query)}


def begin(engine: sa.Engine, job: str, stage: str, worker: str) -> JobDocument | None:
    """Let `worker` take up a stage of the job; None where the job is over, cancelled or gone.

    Another worker that holds the job has died; a job that too many have died of, in one stage, fails.
    """
    died_here = sa.and_(jobs.c.stage == stage, jobs.c.worker.is_not(None), jobs.c.worker != worker)
    with writing(engine) as connection:
        own = jobs.update().where(jobs.c.id == job, jobs.c.state.in_(WAITING))
        values: dict[str, Any] = {"state": "running", "stage": stage, "worker": worker}
        values["started"] = sa.func.coalesce(jobs.c.started, now())
        values["deaths"] = sa.case((died_here, jobs.c.deaths + 1), (jobs.c.stage == stage, jobs.c.deaths), else_=0)
        row = connection.execute(own.values(**values).returning(*jobs.c)).one_or_none()
        if row is None:
            return None
        events.append(connection, job, "stage", {"stage": stage})
    if row.deaths <= MOST_DEATHS:
        return document(row)
    reason = f"{row.deaths} workers have died in this stage, perhaps for want of memory; ask for less"
    end(engine, job, "failed", reason)
    return None


def report(engine: sa.Engine, job: str, doing: str, done: float, total: float, note: str, since: float) -> None:
    """Say how far the work in the current stage has come."""
    told: dict[str, JsonValue] = {"doing": doing, "done": done, "total": total, "note": note}
    with writing(engine) as connection:
        connection.execute(jobs.update().where(jobs.c.id == job).values(**told, doing_since=since))
        events.append(connection, job, "progress", told)


def end(engine: sa.Engine, job: str, state: State, error: str | None = None) -> bool:
    """Bring a job that is not over to its last state; whether this did so."""
    with writing(engine) as connection:
        own = jobs.update().where(jobs.c.id == job, jobs.c.state.in_(WAITING))
        changed = connection.execute(own.values(state=state, error=error, finished=now())).rowcount == 1
        if changed:
            told: dict[str, JsonValue] = {"state": state}
            events.append(connection, job, "state", {**told, "error": error} if error else told)
    return changed


def release(engine: sa.Engine, job: str) -> None:
    """Say that no worker touches the job's folder any more."""
    with writing(engine) as connection:
        connection.execute(jobs.update().where(jobs.c.id == job).values(worker=None))


def cancelled(engine: sa.Engine, ids: Sequence[str]) -> set[str]:
    """Those of the jobs that are not to be gone on with."""
    query = sa.select(jobs.c.id).where(jobs.c.id.in_(ids), jobs.c.state.in_(WAITING))
    with engine.connect() as connection:
        return set(ids) - set(connection.execute(query).scalars())


def delete(engine: sa.Engine, job: str) -> bool:
    """Forget a job that is over and that no worker holds, with its events; whether there was such a one."""
    with writing(engine) as connection:
        over = jobs.delete().where(jobs.c.id == job, jobs.c.state.in_(tuple(FINISHED)), jobs.c.worker.is_(None))
        gone = connection.execute(over).rowcount == 1
        if gone:
            connection.execute(events_table.delete().where(events_table.c.job == job))
    return gone


def document(row: sa.Row[Any]) -> JobDocument:
    """A row as the service answers it."""
    fields = {name: value for name, value in row._mapping.items() if name in JobDocument.model_fields}
    return JobDocument.model_validate({**fields, "spec": json.loads(row.spec), "seconds_left": _seconds_left(row)})


def _seconds_left(row: sa.Row[Any]) -> float | None:
    if row.state != "running" or not row.doing_since or not 0 < row.done <= row.total:
        return None
    pace = (now() - float(row.doing_since)) / float(row.done)
    return max(0.0, pace * float(row.total - row.done))
