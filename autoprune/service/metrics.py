"""Figures for Prometheus: requests and how long they took, streams, jobs by state, workers."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """A server's own registry, so that several in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("autoprune_requests", "Requests answered.", labels, registry=self.registry)
        self.seconds = Histogram(
            "autoprune_request_seconds",
            "Seconds from a request to the start of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.streams = Gauge("autoprune_streams", "Event streams open.", registry=self.registry)
        self.jobs = Gauge("autoprune_jobs", "Jobs.", ("device", "state"), registry=self.registry)
        self.workers = Gauge("autoprune_workers", "Worker processes alive.", registry=self.registry)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


class Measured:
    """ASGI middleware that counts and times requests by their route, never by the ids in their paths."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                self._metrics.seconds.labels(route).observe(time.perf_counter() - start)
                self._metrics.requests.labels(scope["method"], route, message["status"]).inc()
            await send(message)

        await self._app(scope, receive, answer)
