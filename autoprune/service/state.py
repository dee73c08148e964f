"""What all routes share: settings, database, the queues, the feed of events."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
from dbos import DBOSClient
from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request

from autoprune.service.feed import Feed
from autoprune.service.metrics import Metrics
from autoprune.service.records.database import open_database
from autoprune.service.security.identity import Identity, identify
from autoprune.service.settings import Settings
from autoprune.service.work.queues import open_client

_SECONDS_OF_AN_UPLOAD = 24 * 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """A server's state. `checks` are the uploads that may be looked through at once."""

    settings: Settings
    engine: sa.Engine
    client: DBOSClient
    feed: Feed
    metrics: Metrics
    checks: asyncio.Semaphore

    @classmethod
    def of(cls, settings: Settings) -> Service:
        """Make the folders, open the database; raises `BadInput` where that cannot be."""
        for folder in (settings.data, settings.uploads, settings.runs):
            folder.mkdir(parents=True, exist_ok=True)
        _remove_broken_off(settings.uploads)
        engine = open_database(settings.database_url)
        client = open_client(engine, list(settings.devices))
        return cls(settings, engine, client, Feed(engine), Metrics(), asyncio.Semaphore(1))


def _remove_broken_off(uploads: Path) -> None:
    """Remove what servers that were killed have left of uploads, but for what another one may still be receiving."""
    for part in uploads.glob(".*.part"):
        if part.stat().st_mtime < time.time() - _SECONDS_OF_AN_UPLOAD:
            part.unlink(missing_ok=True)


def service_of(request: Request) -> Service:
    """The state of the server that a request came to."""
    found: Service = request.app.state.service
    return found


Shared = Annotated[Service, Depends(service_of)]


# Tells the schema, and so the interactive documentation, how a token is shown; `identify` reads it.
_BEARER = HTTPBearer(auto_error=False, description="a token of autoprune token create, where one is asked for")


def _whoever(request: Request, service: Shared, _shown: Annotated[object, Security(_BEARER)]) -> Identity:
    found = identify(request, service.settings, service.engine)
    request.state.identity = found
    return found


def reader(who: Annotated[Identity, Depends(_whoever)]) -> Identity:
    """Somebody who may look."""
    who.require("read")
    return who


def submitter(who: Annotated[Identity, Depends(_whoever)]) -> Identity:
    """Somebody who may submit, and change what is their own."""
    who.require("submit")
    return who


def admin(who: Annotated[Identity, Depends(_whoever)]) -> Identity:
    """Somebody who may do everything."""
    who.require("admin")
    return who


Reader = Annotated[Identity, Depends(reader)]
Submitter = Annotated[Identity, Depends(submitter)]
Admin = Annotated[Identity, Depends(admin)]
