"""What all routes share: settings, database, the queues, the feed of events."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from dbos import DBOSClient
from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request

from autoprune.client.documents import UploadDocument
from autoprune.service.feed import Feed
from autoprune.service.metrics import Metrics
from autoprune.service.records import uploads
from autoprune.service.records.database import open_database
from autoprune.service.refusal import Refusal
from autoprune.service.security.identity import Identity, identify
from autoprune.service.settings import Settings
from autoprune.service.work.queues import open_client

P = ParamSpec("P")
T = TypeVar("T")

_SECONDS_OF_AN_UPLOAD = 24 * 3600.0
_WRITERS = 8  # threads; fewer than the database's connections, so that those who only read always find one
_MOST_WAITING = 500  # requests that write, each of which holds its body; whoever comes then is told to come again


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """A server's state. `checks` are the uploads that are looked through at once, `writers` the threads that write."""

    settings: Settings
    engine: sa.Engine
    client: DBOSClient
    feed: Feed
    metrics: Metrics
    checks: asyncio.Semaphore
    writers: anyio.CapacityLimiter

    @classmethod
    def of(cls, settings: Settings) -> Service:
        """Make the folders, open the database; raises `BadInput` where that cannot be."""
        for folder in (settings.data, settings.uploads, settings.runs):
            folder.mkdir(parents=True, exist_ok=True)
        _remove_broken_off(settings.uploads)
        engine = open_database(settings.database_url, busy_ms=round(1000 * settings.limits.busy_seconds))
        client = open_client(engine, list(settings.devices))
        checks, writers = asyncio.Semaphore(1), anyio.CapacityLimiter(_WRITERS)
        return cls(settings, engine, client, Feed(engine), Metrics(), checks, writers)

    def find_upload(self, upload: str) -> UploadDocument | None:
        """The upload with this id; None where there is none."""
        return uploads.find(self.engine, upload)


def _remove_broken_off(folder: Path) -> None:
    """Remove what servers that were killed have left of uploads, but for what another one may still be receiving."""
    for part in folder.glob(".*.part"):
        if part.stat().st_mtime < time.time() - _SECONDS_OF_AN_UPLOAD:
            part.unlink(missing_ok=True)


async def service_of(request: Request) -> Service:
    """The state of the server that a request came to."""
    found: Service = request.app.state.service
    return found


Shared = Annotated[Service, Depends(service_of)]


def in_turn(route: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let a route that writes wait for the database in the writers' threads, not in those of the routes that read.

    However slow the disk is, a look at a job then waits for no submission. The route takes `service`.
    """

    @functools.wraps(route)
    async def waiting(*args: P.args, **given: P.kwargs) -> T:
        service: Any = given["service"]
        if service.writers.statistics().tasks_waiting >= _MOST_WAITING:
            raise Refusal(
                503, "busy", f"{_MOST_WAITING} requests wait for the database; nothing was changed", retry_after=5
            )
        return await anyio.to_thread.run_sync(functools.partial(route, *args, **given), limiter=service.writers)

    return waiting


# Tells the schema, and so the interactive documentation, how a token is shown; `identify` reads it.
_BEARER = HTTPBearer(auto_error=False, description="a token of autoprune token create, where one is asked for")


def _whoever(request: Request, service: Shared, _shown: Annotated[object, Security(_BEARER)]) -> Identity:
    found = identify(request, service.settings, service.engine)
    request.state.identity = found
    return found


async def reader(who: Annotated[Identity, Depends(_whoever)]) -> Identity:
    """Somebody who may look."""
    who.require("read")
    return who


async def submitter(who: Annotated[Identity, Depends(_whoever)]) -> Identity:
    """Somebody who may submit, and change what is their own."""
    who.require("submit")
    return who


async def admin(who: Annotated[Identity, Depends(_whoever)]) -> Identity:
    """Somebody who may do everything."""
    who.require("admin")
    return who


Reader = Annotated[Identity, Depends(reader)]
Submitter = Annotated[Identity, Depends(submitter)]
Admin = Annotated[Identity, Depends(admin)]
