"""Live events: one look at the database for all streams that are open, so that hundreds cost little more than one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from autoprune.client.documents import FINISHED, Event
from autoprune.service.records import events, jobs

_SECONDS_BETWEEN_LOOKS = 0.25
_SECONDS_OF_SILENCE = 15.0  # after which a comment is sent, so that nobody on the way hangs up


@dataclass
class _Watched:
    """A job that somebody follows: by how many streams, and the newest events, those after the number `before`."""

    streams: int = 0
    last: int = 0
    before: int = 0
    newest: list[Event] = field(default_factory=list)


class Feed:
    """Follows the jobs that somebody watches."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._watched: dict[str, _Watched] = {}
        self._changed = asyncio.Condition()

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return sum(watched.streams for watched in self._watched.values())

    async def look(self) -> None:
        """Look for new events, again and again."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
            if not self._watched:
                continue
            try:
                found = await anyio.to_thread.run_sync(self._news, {job: w.last for job, w in self._watched.items()})
            except SQLAlchemyError:
                continue  # a busy database has no news; the next look comes soon
            for job, newest in found.items():
                if watched := self._watched.get(job):
                    watched.newest, watched.before, watched.last = newest, newest[0].number - 1, newest[-1].number
            if found:
                async with self._changed:
                    self._changed.notify_all()

    def _news(self, seen: dict[str, int]) -> dict[str, list[Event]]:
        """The events after those that were seen, of jobs that have some."""
        last = events.last_numbers(self._engine, list(seen))
        return {job: events.after(self._engine, job, seen[job]) for job, number in last.items() if number > seen[job]}

    async def stream(self, job: str, after: int) -> AsyncIterator[str]:
        """The job's events after the number `after` as server-sent events, until the job is over."""
        async with aclosing(self.follow(job, after)) as news:
            async for found in news:
                yield "".join(map(_sent, found)) or ": still here\n\n"

    async def follow(self, job: str, after: int) -> AsyncGenerator[list[Event]]:
        """The job's events after the number `after`, as they come, until the job is over; [] after a long silence."""
        watched = self._watched.setdefault(job, _Watched())
        watched.streams += 1
        is_quiet = True  # nothing has come for long, so that the job may be over, or deleted
        try:
            while True:
                found = await self._after(watched, job, after)
                if found:
                    after = found[-1].number
                    yield found
                if _is_last(found) or (is_quiet and not found and await self._is_over(job, after)):
                    return
                is_quiet = not found and not await self._wait(watched, after)
                if is_quiet:
                    yield []
        finally:
            watched.streams -= 1
            if not watched.streams:
                self._watched.pop(job, None)

    async def _after(self, watched: _Watched, job: str, after: int) -> list[Event]:
        """The events after that number: the newest are at hand, older ones are read."""
        if watched.newest and watched.before <= after:
            return [event for event in watched.newest if event.number > after]
        return await anyio.to_thread.run_sync(events.after, self._engine, job, after)

    async def _is_over(self, job: str, after: int) -> bool:
        found = await anyio.to_thread.run_sync(jobs.find, self._engine, job)
        if found is None:
            return True
        last = await anyio.to_thread.run_sync(events.last_numbers, self._engine, [job])
        return found.state in FINISHED and last.get(job, 0) <= after

    async def _wait(self, watched: _Watched, after: int) -> bool:
        """Whether there is news before the silence becomes long."""
        try:
            async with self._changed:
                await asyncio.wait_for(self._changed.wait_for(lambda: watched.last > after), _SECONDS_OF_SILENCE)
        except TimeoutError:
            return False
        return True


def _is_last(found: Sequence[Event]) -> bool:
    return bool(found) and found[-1].kind == "state" and found[-1].data["state"] in FINISHED


def _sent(event: Event) -> str:
    data = json.dumps({"at": event.at, **event.data})
    return f"id: {event.number}\nevent: {event.kind}\ndata: {data}\n\n"
