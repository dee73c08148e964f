"""The service under load: event streams, submissions and status calls at once, while a search runs.

PYTHONPATH=tests python scripts/bench_service.py --streams 200 --rate 50 --seconds 60

Status calls are made, and timed, by a process that does nothing else; between them it asks for /healthz, which reads
nothing: what that takes is the machine's and the event loop's own. How long the machine was busy with others is told
by the load average, and the processor time of the server does not depend on it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from running_service import Running, running, spec

_LIMITS = {"waiting_jobs": 1_000_000, "requests_per_second": 10_000, "burst": 100_000, "streams": 1000}
_CALLS_A_SECOND = 20
_IDLE_SECONDS = 5.0


@dataclass
class Seen:
    """What came back, and how long it took in seconds."""

    answers: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    events: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0, help="submissions a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, running(Path(place), {"limits": _LIMITS}) as service:
        job = _searching(service)
        idle = asyncio.run(_probe(service.url, job, _IDLE_SECONDS))
        memory, processor = _memory_mib(service), _processor_s(service)
        with multiprocessing.get_context("spawn").Pool(1) as others:
            load = others.apply_async(_load, (service.url, job, asked.streams, asked.rate, asked.seconds))
            busy = asyncio.run(_probe(service.url, job, asked.seconds))
            submissions, streams = load.get()
        processor = _processor_s(service) - processor
        print(f"memory of the server: {memory:.0f} MiB before, {_memory_mib(service):.0f} MiB after")
        assert httpx.get(f"{service.url}/v1/jobs/{job}", timeout=30).json()["state"] == "running"
    _tell("without load, status calls", idle[0])
    _tell("without load, /healthz", idle[1])
    _tell("under load, status calls", busy[0])
    _tell("under load, /healthz", busy[1])
    _tell("submissions", submissions)
    print(f"events: {streams.events} on {asked.streams} streams, answers {dict(streams.answers)}")
    print(f"processor time of the server: {processor:.1f} s in {asked.seconds:g} s")
    print(f"load average of the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    answers = sum((seen.answers for seen in (*idle, *busy, submissions, streams)), Counter[str]())
    return 1 if set(answers) - {"200", "201"} else 0


def _tell(name: str, seen: Seen) -> None:
    p50, p95 = (statistics.quantiles(seen.times, n=20)[index] * 1e3 for index in (9, 18))
    longest = max(seen.times) * 1e3
    print(f"{name}: median {p50:.1f} ms, p95 {p95:.1f} ms, longest {longest:.0f} ms, answers {dict(seen.answers)}")


def _searching(service: Running) -> str:
    """The id of a job that searches for as long as anybody looks."""
    with service.client() as client:
        job = client.submit(spec(name="searching", search={"trials": 10_000})).id
        while client.job(job).doing != "searching":
            time.sleep(0.2)
    return job


async def _probe(url: str, job: str, seconds: float) -> tuple[Seen, Seen]:
    """Status calls and, between them, /healthz."""
    status, health = Seen(), Seen()
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for path, seen in ((f"/v1/jobs/{job}", status), ("/healthz", health)):
                tasks.create_task(_steadily(_CALLS_A_SECOND, end, lambda p=path, s=seen: _timed(client.get(p), s)))  # type: ignore[misc]
                await asyncio.sleep(0.5 / _CALLS_A_SECOND)
    return status, health


def _load(url: str, job: str, streams: int, rate: float, seconds: float) -> tuple[Seen, Seen]:
    """Submissions and event streams, from a process of their own."""
    return asyncio.run(_submit_and_follow(url, job, streams, rate, seconds))


async def _submit_and_follow(url: str, job: str, streams: int, rate: float, seconds: float) -> tuple[Seen, Seen]:
    submissions, followed = Seen(), Seen()
    body = spec(name="waiting").model_dump(mode="json", exclude_none=True)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=url, timeout=30, limits=limits) as client:
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for _ in range(streams):
                tasks.create_task(_follow(client, job, end, followed))
            tasks.create_task(_steadily(rate, end, lambda: _timed(client.post("/v1/jobs", json=body), submissions)))
    return submissions, followed


async def _steadily(rate: float, end: float, call: Callable[[], Awaitable[None]]) -> None:
    """Call `rate` times a second, whether or not the calls before have been answered."""
    start, number = time.monotonic(), 0
    async with asyncio.TaskGroup() as calls:
        while time.monotonic() < end:
            calls.create_task(_awaited(call))
            number += 1
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))


async def _awaited(call: Callable[[], Awaitable[None]]) -> None:
    await call()


async def _timed(call: Awaitable[httpx.Response], seen: Seen) -> None:
    start = time.perf_counter()
    try:
        seen.answers[str((await call).status_code)] += 1
    except httpx.HTTPError as error:
        seen.answers[type(error).__name__] += 1
    seen.times.append(time.perf_counter() - start)


async def _follow(client: httpx.AsyncClient, job: str, end: float, seen: Seen) -> None:
    try:
        async with client.stream("GET", f"/v1/jobs/{job}/events", params={"after": 5}) as answer:
            seen.answers[str(answer.status_code)] += 1
            async for line in answer.aiter_lines():
                seen.events += line.startswith("event:")
                if time.monotonic() > end:
                    return
    except httpx.HTTPError as error:
        seen.answers[type(error).__name__] += 1


def _stat(service: Running) -> Sequence[str]:
    assert service.process is not None
    return Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()


def _processor_s(service: Running) -> float:
    """Seconds that the server's threads have computed, in its own code and in the kernel."""
    user, system = _stat(service)[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _memory_mib(service: Running) -> float:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    raise SystemExit(main())
