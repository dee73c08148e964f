"""A database that is locked, a disk that is full: what is asked is refused honestly, and what is there stays whole."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from running_service import Running, running, spec, wait_until

JOB = spec().model_dump(mode="json", exclude_none=True)


def test_while_the_database_is_locked_jobs_can_be_looked_at_but_not_submitted(tmp_path: Path) -> None:
    with running(tmp_path) as service, service.client() as client:
        job = client.submit(spec()).id
        with closing(sqlite3.connect(service.data / "service.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = httpx.post(f"{service.url}/v1/jobs", json=JOB, timeout=30)
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")
            assert int(refused.headers["retry-after"]) >= 1
            assert client.job(job).id == job
            other.execute("ROLLBACK")
        assert client.wait(job).state == "done"
        assert len(list(client.jobs())) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB; skips where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Write until nothing more fits."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def test_on_a_full_disk_nothing_is_taken_and_nothing_is_harmed(small_disk: Path) -> None:
    settings = {"limits": {"free_bytes": 0}, "data": str(small_disk / "data")}
    with running(small_disk.parent, settings) as service, service.client() as client:
        service.data = small_disk / "data"
        before = client.wait(client.submit(spec()).id)
        running_job = client.submit(spec(name="long", search={"trials": 400})).id
        wait_until(lambda: client.job(running_job).doing == "searching")
        ballast = fill(small_disk)
        answers = [httpx.post(f"{service.url}/v1/jobs", json=JOB, timeout=30) for _ in range(3)]
        assert {answer.status_code for answer in answers} <= {507, 503}
        upload = httpx.post(f"{service.url}/v1/uploads?kind=weights", content=bytes(100_000), timeout=30)
        assert upload.status_code == 507
        assert client.job(before.id) == before
        ballast.unlink()
        ended = client.wait(running_job)
        assert ended.state == "done" or "no space is left" in str(ended.error)
        assert client.wait(client.submit(spec()).id).state == "done"
    with closing(sqlite3.connect(service.data / "service.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_disk_that_is_nearly_full_takes_no_jobs_and_says_so(tmp_path: Path) -> None:
    service = Running(tmp_path, {"workers": 0, "limits": {"free_bytes": 10**18}})
    service.start(ready=False)
    try:
        refused = httpx.post(f"{service.url}/v1/jobs", json=JOB)
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        health = httpx.get(f"{service.url}/v1/health")
        assert (health.status_code, health.json()["ready"]) == (503, False)
        assert "disk" in health.json()["reason"]
    finally:
        service.stop()
