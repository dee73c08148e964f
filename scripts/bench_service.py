"""The service under load: event streams, submissions and status calls at once, while a search runs.

PYTHONPATH=tests python scripts/bench_service.py --streams 200 --rate 50 --seconds 60
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from running_service import Running, running, spec

_LIMITS = {"waiting_jobs": 1_000_000, "requests_per_second": 10_000, "burst": 100_000, "streams": 1000}
_STATUS_CALLS_A_SECOND = 20


@dataclass
class Seen:
    """What came back, and how long it took in seconds."""

    answers: Counter[str] = field(default_factory=Counter)
    status: list[float] = field(default_factory=list)
    submissions: list[float] = field(default_factory=list)
    events: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0, help="submissions a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, running(Path(place), {"limits": _LIMITS}) as service:
        before = _memory_mib(service)
        seen = asyncio.run(_load(service, asked.streams, asked.rate, asked.seconds))
        after = _memory_mib(service)
    for name, times in (("status calls", seen.status), ("submissions", seen.submissions)):
        p50, p95 = (statistics.quantiles(times, n=20)[index] * 1e3 for index in (9, 18))
        print(f"{name}: {len(times)}, median {p50:.1f} ms, p95 {p95:.1f} ms, longest {max(times) * 1e3:.0f} ms")
    print(f"events: {seen.events} on {asked.streams} streams; answers: {dict(seen.answers)}")
    print(f"memory of the server: {before:.0f} MiB before, {after:.0f} MiB after")
    errors = sum(count for answer, count in seen.answers.items() if answer not in ("200", "201"))
    return 1 if errors else 0


async def _load(service: Running, streams: int, rate: float, seconds: float) -> Seen:
    seen = Seen()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=service.url, timeout=30, limits=limits) as client:
        body = spec(name="searching", search={"trials": 10_000}).model_dump(mode="json", exclude_none=True)
        job = (await client.post("/v1/jobs", json=body)).json()["id"]
        while (await client.get(f"/v1/jobs/{job}")).json()["doing"] != "searching":
            await asyncio.sleep(0.2)
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for _ in range(streams):
                tasks.create_task(_follow(client, job, end, seen))
            tasks.create_task(_steadily(rate, end, lambda: _submit(client, seen)))
            tasks.create_task(_steadily(_STATUS_CALLS_A_SECOND, end, lambda: _status(client, job, seen)))
        assert (await client.get(f"/v1/jobs/{job}")).json()["state"] == "running"
    return seen


async def _steadily(rate: float, end: float, call: Any) -> None:
    """Call `rate` times a second, whether or not the calls before have been answered."""
    start, number = time.monotonic(), 0
    async with asyncio.TaskGroup() as calls:
        while time.monotonic() < end:
            calls.create_task(call())
            number += 1
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))


async def _submit(client: httpx.AsyncClient, seen: Seen) -> None:
    body = spec(name="waiting").model_dump(mode="json", exclude_none=True)
    await _timed(client.post("/v1/jobs", json=body), seen.submissions, seen)


async def _status(client: httpx.AsyncClient, job: str, seen: Seen) -> None:
    await _timed(client.get(f"/v1/jobs/{job}"), seen.status, seen)


async def _timed(call: Any, times: list[float], seen: Seen) -> None:
    start = time.perf_counter()
    try:
        seen.answers[str((await call).status_code)] += 1
    except httpx.HTTPError as error:
        seen.answers[type(error).__name__] += 1
    times.append(time.perf_counter() - start)


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


def _memory_mib(service: Running) -> float:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    raise SystemExit(main())
