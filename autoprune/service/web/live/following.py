"""One job, for everybody who looks at it: its events from the feed, its trials and files when these have changed."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import aclosing

import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError

from autoprune.client.documents import Event
from autoprune.service.records import jobs
from autoprune.service.state import Service
from autoprune.service.web.live.view import JobView, view_of
from autoprune.service.web.live.watchers import Tell, Watched

_ID = re.compile(r"^job_[0-9a-f]{32}$")
_MOST_EVENTS = 1000  # of the last ones, for the log
_LEAST_SECONDS = 0.5  # between two looks
_SHARE = 10  # a look that takes long is worth waiting so many times as long for the next


class Following(Watched[JobView]):
    """Follows one job."""

    def __init__(self, service: Service, job: str) -> None:
        super().__init__()
        self._service, self._job = service, job
        self._folder = service.settings.runs / job
        self._events: list[Event] = []

    async def look(self) -> None:
        """Until the job is over, or nobody watches any more."""
        after = self._events[-1].number if self._events else 0
        async with aclosing(self._service.feed.follow(self._job, after)) as news:
            async for found in news:
                self._events = [*self._events, *(told.event for told in found)][-_MOST_EVENTS:]
                began = time.monotonic()
                if (view := await self.read()) is not None:
                    self.tell(view)
                await asyncio.sleep(max(_LEAST_SECONDS, _SHARE * (time.monotonic() - began)))

    async def read(self) -> JobView | None:
        """The job as it stands; None where it is gone or the database has no time."""
        return await anyio.to_thread.run_sync(self._read)

    def _read(self) -> JobView | None:
        try:
            job = jobs.find(self._service.engine, self._job)
        except SQLAlchemyError:
            return None
        return None if job is None else view_of(job, self._events, self._folder)


class Followings:
    """The jobs that somebody looks at."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._held: dict[str, Following] = {}

    def of(self, job: str) -> Following:
        """What follows this job, for all who do."""
        return self._held.setdefault(job, Following(self._service, job))

    def leave(self, job: str, tell: Tell[JobView]) -> None:
        """Stop telling; a job that nobody looks at is followed no more."""
        if job in self._held and self._held[job].leave(tell):
            del self._held[job]

    async def look_at(self, job: str) -> JobView | None:
        """The job as it stands, with what has happened so far; None where there is none."""
        if not _ID.match(job):
            return None
        following = self._held.get(job) or Following(self._service, job)
        return following.latest or await following.read()
