"""A job's progress, told to its record; and the way in which a job hears that it is to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from autoprune.service.records import jobs

_SECONDS_BETWEEN = 0.5  # what happens in between is told with the next

log = logging.getLogger("autoprune.worker")


class Stopped(BaseException):
    """The job is not to be gone on with. No `Exception`, so that no code on the way takes it for a failure."""


class Telling:
    """A `Progress` that writes to a job's record, and raises `Stopped` once `stop` is set."""

    def __init__(self, engine: sa.Engine, job: str, stop: threading.Event) -> None:
        self._engine, self._job, self._stop = engine, job, stop
        self._doing, self._since, self._told = "", 0.0, 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Tell that the block's work begins."""
        self._doing, self._since = name, time.time()
        self._tell(0, 0, "")
        yield

    def advance(self, done: float, total: float, note: str = "") -> None:
        """Tell how far the work has come, unless that was told just before."""
        if self._stop.is_set():
            raise Stopped
        if time.monotonic() - self._told >= _SECONDS_BETWEEN or done >= total:
            self._tell(done, total, note)

    def _tell(self, done: float, total: float, note: str) -> None:
        if self._stop.is_set():
            raise Stopped
        self._told = time.monotonic()
        try:
            jobs.report(self._engine, self._job, self._doing, done, total, note, self._since)
        except SQLAlchemyError as error:  # a locked database or a full disk is no reason to lose the work
            log.warning("job %s: progress was not written (%s)", self._job, str(error).partition("\n")[0])
