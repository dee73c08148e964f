"""Whoever writes waits in turn, and not for ever."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import TimeoutError as Busy
from starlette.types import Message, Receive, Scope, Send

from autoprune.service.records import audit
from autoprune.service.records.database import open_database, writing
from autoprune.service.refusal import Refusal
from autoprune.service.security.audited import Audited
from autoprune.service.settings import Settings
from autoprune.service.state import Service, in_turn


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return open_database(f"sqlite:///{tmp_path / 'service.db'}", busy_ms=10)


def test_a_thread_whose_turn_does_not_come_is_told_so(engine: sa.Engine) -> None:
    def write() -> None:
        with pytest.raises(Busy), writing(engine):
            raise AssertionError

    with writing(engine):
        other = threading.Thread(target=write)
        other.start()
        other.join()
    with writing(engine) as connection:
        assert connection.execute(sa.select(1)).scalar_one() == 1


def test_routes_that_write_leave_the_threads_of_those_that_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoprune.service.state._MOST_WAITING", 3)
    service = Service.of(Settings(data=tmp_path))
    go = threading.Event()

    @in_turn
    def route(*, service: Service) -> str:
        assert service
        assert go.wait(60)
        return "written"

    async def crowd() -> list[str]:
        writers = int(service.writers.total_tokens)
        asked = [asyncio.create_task(route(service=service)) for _ in range(writers + 3)]
        while service.writers.statistics().tasks_waiting < 3:
            await asyncio.sleep(0)
        with pytest.raises(Refusal) as refused:
            await route(service=service)
        assert (refused.value.status_code, refused.value.code, refused.value.retry_after) == (503, "busy", 5)
        assert await asyncio.to_thread(lambda: "read") == "read"
        go.set()
        return await asyncio.gather(*asked)

    assert set(asyncio.run(crowd())) == {"written"}
    service.client.destroy()


def test_requests_at_once_are_all_written_down(engine: sa.Engine) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": int(scope["path"][1:]), "headers": []})

    async def send(message: Message) -> None:
        assert message

    async def receive() -> Message:
        return {"type": "http.request"}

    async def crowd() -> None:
        audited = Audited(app, engine)
        scopes = ({"type": "http", "method": "POST", "path": f"/{200 + i}", "client": ("me", 1)} for i in range(40))
        await asyncio.gather(*(audited(scope, receive, send) for scope in scopes))

    asyncio.run(crowd())
    lines = audit.newest(engine, 100)
    assert {line["status"] for line in lines} == set(range(200, 240))
    assert {(line["address"], line["action"]) for line in lines} == {("me", "POST")}
