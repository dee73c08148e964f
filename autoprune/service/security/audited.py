"""Writes down every request that changes something, or tried to."""

from __future__ import annotations

import logging

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoprune.service.records import audit

_SAFE = ("GET", "HEAD", "OPTIONS")

log = logging.getLogger("autoprune.service")


class Audited:
    """ASGI middleware that adds a line to the audit log once such a request is answered."""

    def __init__(self, app: ASGIApp, engine: sa.Engine) -> None:
        self._app, self._engine = app, engine

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
            await anyio.to_thread.run_sync(self._write, scope, status)

    def _write(self, scope: Scope, status: int) -> None:
        who = getattr(scope.get("state", {}).get("identity"), "name", "")
        address = str((scope.get("client") or ("",))[0])
        target = scope["path"][:500].encode("ascii", "backslashreplace").decode().replace("\x00", "")
        try:
            audit.append(self._engine, who=who, address=address, action=scope["method"], target=target, status=status)
        except SQLAlchemyError as error:  # it has been answered already: the server's log has the line then
            log.error("audit: %s %s %s %d (%s)", who, scope["method"], target, status, type(error).__name__)
