"""Taking a job: once for each idempotency key, within the quota of its token, written and queued in one transaction."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid

import sqlalchemy as sa
from pydantic import JsonValue

from autoprune.client.documents import JobDocument, Kind
from autoprune.service.records import jobs
from autoprune.service.records.database import writing
from autoprune.service.records.jobs import NewJob, SameKey
from autoprune.service.refusal import Refusal
from autoprune.service.security.identity import Identity
from autoprune.service.state import Service
from autoprune.service.work.queues import enqueue


def submit(
    service: Service, who: Identity, kind: Kind, name: str, spec: dict[str, JsonValue], device: str, key: str | None
) -> tuple[JobDocument, bool]:
    """The job, and whether it is new; raises `Refusal` where it cannot be taken."""
    asked = json.dumps([kind, device, spec], sort_keys=True)
    digest = hashlib.sha256(asked.encode()).hexdigest()
    if key is not None and (before := _same(service, who, key, digest)):
        return before, False
    require_disk(service)
    job = NewJob(f"job_{uuid.uuid4().hex}", name, kind, device, who.token, who.name, key, digest, spec)
    try:
        with writing(service.engine) as connection:
            _require_room(connection, service, who)
            jobs.insert(connection, job)
            enqueue(service.client, connection, job.id, kind, device)
            found = jobs.within(connection, job.id)
    except SameKey:
        if key is not None and (before := _same(service, who, key, digest)):
            return before, False
        raise
    assert found is not None
    return found, True


def _same(service: Service, who: Identity, key: str, digest: str) -> JobDocument | None:
    """The job that was submitted under this key before; raises `Refusal` where that was another one."""
    found = jobs.find_key(service.engine, who.token, key)
    if found is None:
        return None
    if found[1] != digest:
        error = f"the idempotency key {key!r} belongs to another job, {found[0].id}; give this one a key of its own"
        raise Refusal(409, "conflict", error)
    return found[0]


def _require_room(connection: sa.Connection, service: Service, who: Identity) -> None:
    """Counted in the turn that takes the job, so that no other request's job comes in between."""
    waiting = jobs.count_waiting(connection, who.token)
    if waiting >= service.settings.limits.waiting_jobs:
        error = f"{waiting} of your jobs are queued or running, as many as a token may have; cancel some, or wait"
        raise Refusal(429, "quota", error, retry_after=60)


def require_disk(service: Service) -> None:
    """Raise `Refusal` where the disk of the data folder is nearly full."""
    free = shutil.disk_usage(service.settings.data).free
    if free < service.settings.limits.free_bytes:
        error = f"the server's disk is nearly full ({free >> 20} MiB left); delete jobs or uploads"
        raise Refusal(507, "disk_full", error)
