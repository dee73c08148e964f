"""The events of jobs: an append-only log a job, which any process can read from any number on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from pydantic import JsonValue

from autoprune.client.documents import Event
from autoprune.service.records.database import now
from autoprune.service.records.schema import events

_MOST = 500  # events at a time


def append(connection: sa.Connection, job: str, kind: str, data: Mapping[str, JsonValue]) -> None:
    """Add an event to a job's log, in the caller's transaction."""
    number = sa.select(sa.func.coalesce(sa.func.max(events.c.number), 0) + 1).where(events.c.job == job)
    row = sa.select(
        sa.literal(job), number.scalar_subquery(), sa.literal(kind), sa.literal(now()), sa.literal(json.dumps(data))
    )
    connection.execute(events.insert().from_select(["job", "number", "kind", "at", "data"], row))


def after(engine: sa.Engine, job: str, number: int) -> list[Event]:
    """The job's events after `number`, in order, some hundreds at most."""
    query = (
        sa.select(events).where(events.c.job == job, events.c.number > number).order_by(events.c.number).limit(_MOST)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return [Event(number=row.number, kind=row.kind, at=row.at, data=json.loads(row.data)) for row in rows]


def last_numbers(engine: sa.Engine, jobs: Sequence[str]) -> dict[str, int]:
    """The number of the last event of each job; jobs without one are left out."""
    query = sa.select(events.c.job, sa.func.max(events.c.number)).where(events.c.job.in_(jobs)).group_by(events.c.job)
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}
