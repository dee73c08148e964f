"""The worker processes that are alive: each says so again and again, and one that is silent has lost its jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from autoprune.service.records.database import clock, writing
from autoprune.service.records.schema import workers


def enter(engine: sa.Engine, worker: str, devices: Sequence[str]) -> None:
    """Write down a new worker."""
    with writing(engine) as connection:
        connection.execute(workers.insert().values(id=worker, devices=json.dumps(list(devices)), seen=clock(engine)))


def beat(engine: sa.Engine, worker: str) -> bool:
    """Say that a worker is alive; whether it was not given up before."""
    with writing(engine) as connection:
        own = workers.update().where(workers.c.id == worker)
        return connection.execute(own.values(seen=clock(engine))).rowcount == 1


def leave(engine: sa.Engine, worker: str) -> None:
    """Forget a worker; what it holds can be taken over at once."""
    with writing(engine) as connection:
        connection.execute(workers.delete().where(workers.c.id == worker))


def give_up(engine: sa.Engine, lease_seconds: float) -> None:
    """Forget the workers that have been silent for longer than the lease."""
    with writing(engine) as connection:
        connection.execute(workers.delete().where(workers.c.seen < clock(engine) - lease_seconds))


def alive(engine: sa.Engine, lease_seconds: float) -> dict[str, list[str]]:
    """The devices of each worker that has been heard of within the lease."""
    query = sa.select(workers.c.id, workers.c.devices).where(workers.c.seen >= clock(engine) - lease_seconds)
    with engine.connect() as connection:
        return {worker: json.loads(devices) for worker, devices in connection.execute(query)}
