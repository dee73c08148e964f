"""The pages that are open in somebody's session: they end with it, whoever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from autoprune.service.records import tokens

End = Callable[[], None]

_SECONDS_BETWEEN_LOOKS = 2.0


class Present:
    """What ends each open page, by the secret of its session.

    Signing out on a page ends the others at once. Other ways to end a session (its token revoked, another server, or
    its time) are found by looking at the database, for as long as any page is open.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._ends: dict[str, list[End]] = {}
        self._looking: asyncio.Task[None] | None = None

    def enter(self, session: str, end: End) -> None:
        """A page was opened."""
        self._ends.setdefault(session, []).append(end)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def leave(self, session: str, end: End) -> None:
        """A page was closed."""
        left = [other for other in self._ends.pop(session, []) if other is not end]
        if left:
            self._ends[session] = left

    def end(self, session: str) -> None:
        """The session is over."""
        for end in self._ends.pop(session, []):
            end()

    async def _look(self) -> None:
        while self._ends:
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
            asked = set(self._ends)
            try:
                live = await anyio.to_thread.run_sync(tokens.live_sessions, self._engine, asked)
            except SQLAlchemyError:
                continue  # a busy database; the next look comes soon
            for session in asked - live:
                self.end(session)
        self._looking = None
