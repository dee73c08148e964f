"""Writes down every request that changes something, or tried to."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio
import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoprune.service.records import audit
from autoprune.service.records.audit import Line

_SAFE = ("GET", "HEAD", "OPTIONS")

log = logging.getLogger("autoprune.service")


class Audited:
    """ASGI middleware that adds a line to the audit log once such a request is answered.

    What is answered while lines are being written is written next, all in one transaction: many requests at once do
    not wait for the disk one by one.
    """

    def __init__(self, app: ASGIApp, engine: sa.Engine) -> None:
        self._app, self._engine = app, engine
        self._waiting: list[Line] = []
        self._turn = anyio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in _SAFE:
            await self._app(scope, receive, send)
            return
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            await self._note(_line(scope, status))

    async def _note(self, line: Line) -> None:
        self._waiting.append(line)
        async with self._turn:
            lines, self._waiting = self._waiting, []
            if lines:  # else whoever had the turn before has written this one too
                await anyio.to_thread.run_sync(self._write, lines)

    def _write(self, lines: Sequence[Line]) -> None:
        try:
            audit.append(self._engine, lines)
        except SQLAlchemyError as error:  # they have been answered already: the server's log has the lines then
            for line in lines:
                log.error("audit: %s (%s)", line, type(error).__name__)


def _line(scope: Scope, status: int) -> Line:
    return Line(
        who=getattr(scope.get("state", {}).get("identity"), "name", ""),
        address=str((scope.get("client") or ("",))[0]),
        action=scope["method"],
        target=scope["path"][:500].encode("ascii", "backslashreplace").decode().replace("\x00", ""),
        status=status,
    )
