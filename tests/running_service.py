"""A real service in processes of its own, for tests: started, asked, killed, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import tomli_w

from autoprune.client import Client
from autoprune.spec import RunSpec

TESTS = Path(__file__).parent
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
PATIENCE_S = 240.0
MODELS: dict[str, Any] = {
    "tiny": {"name": "tiny:tiny_net"},
    "wide": {"name": "digits_cnn", "options": {"widths": [16, 24, 32]}},
}
SPEC: dict[str, Any] = {
    "name": "tiny",
    "model": {"name": "tiny"},
    "task": {"name": "digits", "calibration": 64, "validation": 64, "selection": 64},
    "search": {"budgets": ["macs=0.5x"], "trials": 12, "reward": "kl", "finalists": 2},
    "reconstruction": {"steps": 4, "together": 4},
}


def spec(**changes: Any) -> RunSpec:
    """A job that takes a few seconds; sections that are given are laid over it."""
    tree = {key: {**value, **changes.pop(key, {})} if isinstance(value, dict) else value for key, value in SPEC.items()}
    return RunSpec.parse({**tree, **changes})


class Running:
    """A service whose data lie in `folder`; `settings` are those of its TOML file that are not the tests' own."""

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None) -> None:
        self.folder, self.data = folder, folder / "data"
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = folder / "service.toml"
        common = {"data": str(self.data), "port": self.port, "lease_seconds": 5.0, "models": MODELS}
        self.config.write_text(tomli_w.dumps({**common, **(settings or {})}))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True) -> None:
        """Start the server, and wait until it and its worker are there."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command("serve"), cwd=TESTS, env=ONE_THREAD, stdout=log, stderr=log)
        wait_until(lambda: self._answers("/v1/health" if ready else "/healthz"), self.process)

    def command(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the service on its data."""
        return subprocess.run(
            self._command(name, *arguments), cwd=TESTS, env=ONE_THREAD, capture_output=True, text=True, check=False
        )

    def worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start another worker."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                self._command("worker", *arguments), cwd=TESTS, env=ONE_THREAD, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """kill -9 of the server; its worker ends by itself."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def kill_worker(self) -> None:
        """kill -9 of the server's worker."""
        os.kill(self.worker_pid(), signal.SIGKILL)

    def worker_pid(self) -> int:
        """The process that the server has started."""
        assert self.process is not None
        threads = Path(f"/proc/{self.process.pid}/task")
        wait_until(lambda: bool(_children(threads)))
        return _children(threads)[0]

    def stop(self) -> None:
        """End the server as a service manager would."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)

    def client(self, token: str | None = None) -> Client:
        """A client of the service."""
        return Client(self.url, token)

    def token(self, scope: str) -> str:
        """A new token."""
        made = self.command("token", "create", "--scope", scope, "--name", scope)
        assert made.returncode == 0, made.stderr
        return next(line.split()[1] for line in made.stdout.splitlines() if line.startswith("token"))

    def log(self) -> str:
        """What the server and its workers have said."""
        return (self.folder / "log").read_text()

    def _command(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "autoprune", name, *arguments, "--config", str(self.config)]

    def _answers(self, path: str) -> bool:
        try:
            return httpx.get(f"{self.url}{path}", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running(folder: Path, settings: Mapping[str, Any] | None = None) -> Iterator[Running]:
    """A service for as long as the block runs."""
    service = Running(folder, settings)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Look again and again whether something has happened; fail after minutes, or once the process has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert process is None or process.poll() is None, "the process has ended"
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def _children(threads: Path) -> list[int]:
    """Child processes, each of which belongs to the thread that has started it."""
    return [int(child) for path in threads.glob("*/children") for child in path.read_text().split()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
