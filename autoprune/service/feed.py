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
_MOST_AT_HAND = 1000  # events of a job that somebody follows


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and the text that tells it to a stream: made once, however many there are."""

    event: Event
    text: str

    @classmethod
    def of(cls, event: Event) -> Told:
        """As a server-sent event."""
        data = json.dumps({"at": event.at, **event.data})
        return cls(event, f"id: {event.number}\nevent: {event.kind}\ndata: {data}\n\n")


@dataclass
class _Watched:
    """A job that somebody follows: by how many streams, and its newest events, those after the number `before`."""

    before: int
    streams: int = 0
    newest: list[Told] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The number of the newest event that was seen."""
        return self.newest[-1].event.number if self.newest else self.before

    def add(self, found: Sequence[Told]) -> None:
        """Take over what has happened since, and let go of the oldest."""
        self.newest = [*self.newest, *found][-_MOST_AT_HAND:]
        self.before = self.newest[0].event.number - 1


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
                if (watched := self._watched.get(job)) and watched.last == newest[0].event.number - 1:
                    watched.add(newest)
            if found:
                async with self._changed:
                    self._changed.notify_all()

    def _news(self, seen: dict[str, int]) -> dict[str, list[Told]]:
        """The events after those that were seen, of jobs that have some."""
        last = events.last_numbers(self._engine, list(seen))
        return {job: self._read(job, seen[job]) for job, number in last.items() if number > seen[job]}

    def _read(self, job: str, after: int) -> list[Told]:
        return [Told.of(event) for event in events.after(self._engine, job, after)]

    async def stream(self, job: str, after: int, *, is_over: bool = True) -> AsyncIterator[str]:
        """The job's events after the number `after` as server-sent events, until the job is over."""
        async with aclosing(self.follow(job, after, is_over=is_over)) as news:
            async for found in news:
                yield "".join(told.text for told in found) or ": still here\n\n"

    async def follow(self, job: str, after: int, *, is_over: bool = True) -> AsyncGenerator[list[Told]]:
        """The job's events after the number `after`, as they come, until the job is over; [] after a long silence.

        Whoever has just seen that a job is not over says so by `is_over`.
        """
        watched = self._watched.setdefault(job, _Watched(after))
        watched.streams += 1
        is_quiet = is_over  # nothing has come for long, so that the job may be over, or deleted
        try:
            while True:
                found = await self._after(watched, job, after)
                if found:
                    after = found[-1].event.number
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

    async def _after(self, watched: _Watched, job: str, after: int) -> list[Told]:
        """The events after that number: the newest are at hand, or the next look brings them; older ones are read."""
        if watched.before <= after:
            return [told for told in watched.newest if told.event.number > after]
        return await anyio.to_thread.run_sync(self._read, job, after)

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


def _is_last(found: Sequence[Told]) -> bool:
    if not found:
        return False
    event = found[-1].event
    return event.kind == "state" and event.data["state"] in FINISHED
