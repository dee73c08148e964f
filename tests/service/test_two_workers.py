"""PostgreSQL: two workers share a queue, and what one that dies was at the other takes over."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_service import Running, spec, wait_until

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the module; skips where none is installed."""
    if not _BINARIES:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    place = Path("/tmp") / f"pg{os.getpid()}"  # a socket's path is short
    place.mkdir()
    as_owner: list[str] = []
    if os.geteuid() == 0:  # it refuses to run as root
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("there is no user postgres to run the server as")
        os.chown(place, owner.pw_uid, owner.pw_gid)
        as_owner = ["runuser", "-u", "postgres", "--"]
    data, control = place / "data", str(_BINARIES[-1] / "pg_ctl")
    options = f"-c listen_addresses='' -c unix_socket_directories={place} -c fsync=off"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": place}
    try:
        subprocess.run([*as_owner, control, "initdb", "-s", "-D", str(data), "-o", "-A trust -U autoprune"], **quiet)  # type: ignore[call-overload]
        log = str(place / "log")
        subprocess.run([*as_owner, control, "start", "-s", "-w", "-D", str(data), "-l", log, "-o", options], **quiet)  # type: ignore[call-overload]
        yield f"postgresql://autoprune@/postgres?host={place}"
        subprocess.run([*as_owner, control, "stop", "-s", "-m", "fast", "-D", str(data)], **quiet)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_two_workers_share_the_jobs_of_two_devices_and_one_takes_over(postgres: str, tmp_path: Path) -> None:
    devices: dict[str, dict[str, str]] = {"here": {}, "there": {}}
    service = Running(tmp_path, {"database": postgres, "workers": 0, "devices": devices, "lease_seconds": 6.0})
    service.start(ready=False)
    crew = [service.worker(), service.worker()]
    try:
        with service.client() as client:
            wait_until(lambda: [device.workers for device in client.devices()] == [2, 2])
            long = {"trials": 4000}
            jobs = [client.submit(spec(name=name, search=long), device=name).id for name in devices]
            waiting = client.submit(spec(name="after"), device="here").id
            wait_until(lambda: all(client.job(job).state == "running" for job in jobs))
            assert client.job(waiting).state == "queued"  # one job a device, though a worker could take it
            crew[0].kill()
            wait_until(lambda: [device.workers for device in client.devices()] == [1, 1])
            time.sleep(2)
            assert all(client.job(job).state == "running" for job in jobs)
            trials = [len(client.trials(job)) for job in jobs]
            wait_until(lambda: all(len(client.trials(job)) > was for job, was in zip(jobs, trials, strict=True)))
            for job in jobs:
                client.cancel(job)
            assert client.wait(waiting).state == "done", service.log()
    finally:
        for process in crew:
            process.terminate()
            process.wait()
        service.stop()
