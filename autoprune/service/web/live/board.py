"""The newest jobs, for everybody who looks at the list."""

from __future__ import annotations

import asyncio

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from autoprune.client.documents import JobPage
from autoprune.service.records import jobs
from autoprune.service.web.live.watchers import Watched

MOST_JOBS = 100
_SECONDS_BETWEEN_LOOKS = 1.0


class Board(Watched[JobPage]):
    """One look a second, while anybody watches."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__()
        self._engine = engine

    async def read(self) -> JobPage:
        """The newest jobs now."""
        return await anyio.to_thread.run_sync(lambda: jobs.page(self._engine, limit=MOST_JOBS))

    async def look(self) -> None:
        """Until nobody watches any more."""
        while True:
            try:
                found = await self.read()
            except SQLAlchemyError:
                found = None  # a busy database has no news; the next look comes soon
            if found is not None and found != self.latest:
                self.tell(found)
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
