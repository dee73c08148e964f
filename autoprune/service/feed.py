"""Live events: one look at the database for all streams that are open, so that hundreds cost little more than one."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from autoprune.client.documents import FINISHED, Event
from autoprune.service.records import events, jobs

_SECONDS_BETWEEN_LOOKS = 0.25
_SECONDS_OF_SILENCE = 15.0  # after which a comment is sent, so that nobody on the way hangs up


class Feed:
    """Follows the jobs that somebody watches."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._watched: Counter[str] = Counter()
        self._last: dict[str, int] = {}
        self._changed = asyncio.Condition()

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._watched.total()

    async def look(self) -> None:
        """Look for new events, again and again."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
            if not self._watched:
                continue
            try:
                found = await anyio.to_thread.run_sync(events.last_numbers, self._engine, list(self._watched))
            except SQLAlchemyError:
                continue  # a busy database has no news; the next look comes soon
            if found != self._last:
                async with self._changed:
                    self._last = found
                    self._changed.notify_all()

    async def stream(self, job: str, after: int) -> AsyncIterator[str]:
        """The job's events after the number `after` as server-sent events, until the job is over."""
        async with aclosing(self.follow(job, after)) as news:
            async for found in news:
                yield "".join(map(_sent, found)) or ": still here\n\n"

    async def follow(self, job: str, after: int) -> AsyncGenerator[list[Event]]:
        """The job's events after the number `after`, as they come, until the job is over; [] after a long silence."""
        self._watched[job] += 1
        try:
            while True:
                found = await anyio.to_thread.run_sync(events.after, self._engine, job, after)
                if found:
                    after = found[-1].number
                    yield found
                elif await self._is_over(job, after):
                    return
                elif not await self._wait(job, after):
                    yield []
        finally:
            self._watched[job] -= 1
            if not self._watched[job]:
                del self._watched[job]

    async def _is_over(self, job: str, after: int) -> bool:
        found = await anyio.to_thread.run_sync(jobs.find, self._engine, job)
        if found is None:
            return True
        last = await anyio.to_thread.run_sync(events.last_numbers, self._engine, [job])
        return found.state in FINISHED and last.get(job, 0) <= after

    async def _wait(self, job: str, after: int) -> bool:
        """Whether there is news before the silence becomes long."""
        try:
            async with self._changed:
                has_news = self._changed.wait_for(lambda: self._last.get(job, 0) > after)
                await asyncio.wait_for(has_news, _SECONDS_OF_SILENCE)
        except TimeoutError:
            return False
        return True


def _sent(event: Event) -> str:
    data = json.dumps({"at": event.at, **event.data})
    return f"id: {event.number}\nevent: {event.kind}\ndata: {data}\n\n"
