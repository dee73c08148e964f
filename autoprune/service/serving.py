"""autoprune serve: the HTTP server, and the worker processes that it starts and starts again."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from autoprune.errors import BadInput
from autoprune.service.app import make_app
from autoprune.service.records import tokens, workers
from autoprune.service.records.database import open_database
from autoprune.service.security.identity import asks_for_tokens
from autoprune.service.settings import Settings
from autoprune.service.work.ids import new_worker_id

_SECONDS_BEFORE_ANOTHER = 0.5  # doubled for each worker that ends soon after it was started
_MOST_SECONDS_BEFORE_ANOTHER = 5.0
_SOON = 20.0
_SECONDS_TO_LEAVE = 5.0
_SECONDS_TO_LEAVE_STREAMS = 2

log = logging.getLogger("autoprune.service")


def serve(settings: Settings, worker_command: Sequence[str]) -> None:
    """Serve until the process is told to end; `worker_command` starts a worker, its id is added.

    Raises `BadInput` where the server would be open to others without a token.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    engine = open_database(settings.database_url)
    if asks_for_tokens(settings, engine) and not tokens.any_there(engine):
        raise BadInput(
            f"{settings.host} can be reached from other machines, and there is no token yet: nobody could be told "
            f"apart.\nMake one first: autoprune token create --scope admin --data {settings.data}"
        )
    crew = [Crewman(engine, worker_command) for _ in range(settings.workers)]
    app = make_app(settings)
    try:
        for man in crew:
            man.start()
        print(f"autoprune serves http://{settings.host}:{settings.port}; /docs tells every route", file=sys.stderr)
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=_SECONDS_TO_LEAVE_STREAMS,
        )
    finally:
        for man in crew:
            man.dismiss()


class Crewman(threading.Thread):
    """Keeps one worker process running for as long as the server does."""

    def __init__(self, engine: sa.Engine, command: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self._engine, self._command = engine, command
        self._over = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Start the worker, again whenever it has ended."""
        pause = _SECONDS_BEFORE_ANOTHER
        while not self._over.is_set():
            worker, started = new_worker_id(), time.monotonic()
            # A session of its own: Ctrl-C is for the server, which then ends the worker; and see `stand_back`.
            self._process = subprocess.Popen([*self._command, "--id", worker], start_new_session=True)
            status = self._process.wait()
            self._forget(worker)
            lived = time.monotonic() - started
            pause = min(2 * pause, _MOST_SECONDS_BEFORE_ANOTHER) if lived < _SOON else _SECONDS_BEFORE_ANOTHER
            if not self._over.wait(pause):
                log.warning("a worker ended with status %d; another is started", status)

    def dismiss(self) -> None:
        """End the worker; what it is at goes on when there is one again."""
        self._over.set()
        if self._process is not None:
            self._process.terminate()
            self.join(_SECONDS_TO_LEAVE)
            self._process.kill()

    def _forget(self, worker: str) -> None:
        """Its jobs need not wait for the lease to run out."""
        try:
            workers.leave(self._engine, worker)
        except SQLAlchemyError as error:
            log.warning("worker %s is gone, which could not be written (%s)", worker, type(error).__name__)


def worker_command(settings: Settings, config: Path | None) -> list[str]:
    """What starts a worker of these settings as a child."""
    command = [sys.executable, "-m", "autoprune", "worker", "--data", str(settings.data), "--parent", str(os.getpid())]
    if config is not None:
        command += ["--config", str(config)]
    if settings.database is not None:
        command += ["--database", settings.database]
    return command
