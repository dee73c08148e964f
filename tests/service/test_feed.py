"""Streams of one job share what is read for them, and miss nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from autoprune.service import feed as room
from autoprune.service.feed import Feed
from autoprune.service.records import events, jobs
from autoprune.service.records.database import open_database
from autoprune.service.records.jobs import NewJob


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    made = open_database(f"sqlite:///{tmp_path / 'service.db'}")
    with made.begin() as connection:
        jobs.insert(connection, NewJob("a", "name", "run", "local", "", "", None, "digest", {}))
    jobs.begin(made, "a", "search", "worker")
    return made


def tell(engine: sa.Engine, numbers: range) -> None:
    for number in numbers:
        jobs.report(engine, "a", "searching", number, 100, "", 0)


async def numbers(feed: Feed, after: int, *, is_over: bool = False) -> list[int]:
    """The numbers that a stream which begins after `after` has told once it ends."""
    return [told.event.number async for found in feed.follow("a", after, is_over=is_over) for told in found]


@pytest.mark.parametrize("at_hand", [3, 1000])
def test_streams_that_begin_anywhere_miss_nothing(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, at_hand: int
) -> None:
    monkeypatch.setattr(room, "_MOST_AT_HAND", at_hand)
    monkeypatch.setattr(room, "_SECONDS_BETWEEN_LOOKS", 0.01)
    tell(engine, range(10))  # events 3 to 12, after `queued` and the stage

    async def work() -> list[list[int]]:
        feed = Feed(engine)
        looking = asyncio.create_task(feed.look())
        streams = [asyncio.create_task(numbers(feed, after)) for after in (8, 0, 12, 8)]
        await asyncio.sleep(0)
        assert feed.streams == 4
        await asyncio.to_thread(tell, engine, range(10, 20))
        late = asyncio.create_task(numbers(feed, 2))
        await asyncio.to_thread(jobs.end, engine, "a", "done")
        found = await asyncio.gather(*streams, late)
        assert feed.streams == 0
        looking.cancel()
        return found

    first, *others = asyncio.run(work())
    assert first == list(range(9, 24))
    assert others == [list(range(1, 24)), list(range(13, 24)), list(range(9, 24)), list(range(3, 24))]


def test_a_stream_of_a_job_that_is_over_ends_at_once(engine: sa.Engine) -> None:
    jobs.end(engine, "a", "cancelled")
    assert asyncio.run(numbers(Feed(engine), 3, is_over=True)) == []


def test_an_event_is_told_in_the_words_of_the_standard(engine: sa.Engine) -> None:
    [queued, _] = events.after(engine, "a", 0)
    assert room.Told.of(queued).text == f'id: 1\nevent: state\ndata: {{"at": {queued.at}, "state": "queued"}}\n\n'
