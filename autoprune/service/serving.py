"""autoprune serve: the HTTP server, and the worker processes that it starts and starts again."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from autoprune.errors import BadInput
from autoprune.service.app import make_app
from autoprune.service.records import tokens, workers
from autoprune.service.records.database import open_database
from autoprune.service.security.identity import asks_for_tokens
from autoprune.service.settings import Settings
from autoprune.service.work.ids import new_worker_id

_SECONDS_BEFORE_ANOTHER = 1.0
_SECONDS_TO_LEAVE = 5.0

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
    crew = [Crewman(settings, worker_command) for _ in range(settings.workers)]
    app = make_app(settings)
    try:
        for man in crew:
            man.start()
        uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)
    finally:
        for man in crew:
            man.dismiss()


class Crewman(threading.Thread):
    """Keeps one worker process running for as long as the server does."""

    def __init__(self, settings: Settings, command: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self._settings, self._command = settings, command
        self._over = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Start the worker, again whenever it has ended."""
        while not self._over.is_set():
            worker = new_worker_id()
            self._process = subprocess.Popen([*self._command, "--id", worker])
            status = self._process.wait()
            self._forget(worker)
            if not self._over.wait(_SECONDS_BEFORE_ANOTHER):
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
        engine = open_database(self._settings.database_url)
        try:
            workers.leave(engine, worker)
        finally:
            engine.dispose()


def worker_command(settings: Settings, config: Path | None) -> list[str]:
    """What starts a worker of these settings as a child."""
    command = [sys.executable, "-m", "autoprune", "worker", "--data", str(settings.data), "--child"]
    if config is not None:
        command += ["--config", str(config)]
    if settings.database is not None:
        command += ["--database", settings.database]
    return command
