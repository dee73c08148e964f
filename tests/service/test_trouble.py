"""A database that is locked, a disk that is full: what is asked is refused honestly, and what is there stays whole."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from running_service import MODELS, Running, running, spec, wait_until

from autoprune.service.answers import answer_problems
from autoprune.service.api import jobs
from autoprune.service.records import jobs as records
from autoprune.service.security.identity import COOKIE, Identity
from autoprune.service.settings import Limits, Settings
from autoprune.service.state import Service
from autoprune.service.submission import submit
from autoprune.service.web.gate import Gate
from autoprune.service.web.state import Pages
from autoprune.service.work.carrying_out import Hands
from autoprune.service.work.queues import STAGES_OF

JOB = spec().model_dump(mode="json", exclude_none=True)


@contextmanager
def locked(data: Path, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Another program holds the database's lock for as long as the block runs."""
    with closing(sqlite3.connect(data / "service.db", isolation_level=None)) as other:
        if kind == "EXCLUSIVE":
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute(f"BEGIN {kind}")
        yield
        other.execute("ROLLBACK")


def is_told_to_come_again(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1


def test_while_the_database_is_locked_jobs_can_be_looked_at_but_nothing_is_changed(tmp_path: Path) -> None:
    with running(tmp_path, {"limits": {"busy_seconds": 0.2}}) as service, service.client() as before:
        job = before.submit(spec()).id
        token = service.token("admin")
        with service.client(token) as client, httpx.Client(base_url=service.url, timeout=60) as browser:
            csrf = {"X-CSRF-Token": browser.post("/v1/session", json={"token": token}).json()["csrf"]}
            with locked(service.data):
                assert is_told_to_come_again(browser.post("/v1/jobs", json=JOB, headers=csrf))
                assert is_told_to_come_again(browser.post(f"/v1/jobs/{job}/cancel", headers=csrf))
                assert is_told_to_come_again(browser.post("/v1/session", json={"token": token}, headers=csrf))
                form = browser.post("/login", data={"token": token})
                assert is_told_to_come_again(form)
                assert "try again in a moment" in form.text
                assert client.job(job).id == job
                assert browser.get("/web/jobs").status_code == 200
            assert client.wait(job).state == "done"
            assert [found.id for found in client.jobs()] == [job]


@pytest.mark.parametrize("header", [{"Authorization": f"Bearer ap_{16 * '0'}_x"}, {"Cookie": f"{COOKIE}=x"}])
@pytest.mark.parametrize("path", ["/v1/jobs", "/web/jobs"])
def test_a_database_that_cannot_even_be_read_lets_nobody_in_and_says_why(
    tmp_path: Path, path: str, header: dict[str, str]
) -> None:
    service = Service.of(Settings(data=tmp_path, limits=Limits(busy_seconds=0.05)))
    app = FastAPI()
    app.state.service = service
    app.include_router(jobs.router)
    answer_problems(app)
    app.add_middleware(Gate, pages=Pages.of(service, app))
    service.client.destroy()
    service.engine.dispose()

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as http:
            return await http.get(path, headers=header)

    with locked(tmp_path, "EXCLUSIVE"):
        answer = asyncio.run(ask())
    assert is_told_to_come_again(answer)
    assert answer.json()["code"] == "busy"


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


@pytest.mark.parametrize("stage", ["search", "apply", "export"])
def test_a_stage_that_fills_the_disk_fails_with_that_reason_and_goes_on_in_a_job_with_room(
    small_disk: Path, tmp_path: Path, stage: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "runs").symlink_to(small_disk)
    settings = Settings.model_validate({"data": data, "models": MODELS})
    service = Service.of(settings)
    asked, admin = spec().model_dump(mode="json", exclude_none=True), Identity("", "", "admin")
    job, _ = submit(service, admin, "run", "full", asked, "local", None)
    hands = Hands(service.engine, settings, "me")
    stages = STAGES_OF["run"]
    before = stages[: stages.index(stage)]
    assert [hands.do(job.id, done) for done in before] == ["done"] * len(before)
    ballast = fill(small_disk)
    assert hands.do(job.id, stage) == "failed"
    found = records.find(service.engine, job.id)
    assert found is not None
    assert "no space is left" in str(found.error)
    ballast.unlink()
    again, _ = submit(service, admin, "run", "again", asked, "local", None)
    assert [hands.do(again.id, done) for done in stages] == ["done"] * len(stages)
    service.client.destroy()


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
