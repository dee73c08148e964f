"""Who wants to hear of a change, and the work that goes on for as long as somebody does."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Tell = Callable[[T], None]

log = logging.getLogger("autoprune.service")


class Watched(ABC, Generic[T]):
    """Something that is looked at by one task while anybody watches; every change is told to all."""

    def __init__(self) -> None:
        self.latest: T | None = None
        self._watchers: list[Tell[T]] = []
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def look(self) -> None:
        """Look until there is nothing more to be seen; calls `tell` with each change."""

    def watch(self, tell: Tell[T]) -> None:
        """Let `tell` hear of every change from now on."""
        self._watchers.append(tell)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self.look())
            self._task.add_done_callback(_log_failure)

    def leave(self, tell: Tell[T]) -> bool:
        """Let `tell` hear no more; whether nobody is left."""
        if tell in self._watchers:
            self._watchers.remove(tell)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None
        return not self._watchers

    def tell(self, news: T) -> None:
        """Remember what was seen, and tell it."""
        self.latest = news
        for watcher in list(self._watchers):
            watcher(news)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a page's watch has ended", exc_info=error)
