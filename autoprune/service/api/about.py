"""What the server is and how it is: health, metrics, the choices a job has, the interactive documentation."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.staticfiles import StaticFiles

import autoprune
from autoprune.client.documents import Health
from autoprune.searchers.agents import find_agents
from autoprune.service.records import jobs, workers
from autoprune.service.state import Reader, Shared
from autoprune.spec import CRITERIA

router = APIRouter(tags=["about"])

_DOCS = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>autoprune: the HTTP interface</title>
<link rel="stylesheet" href="/docs/files/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/files/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = "SwaggerUIBundle({url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null})\n"


@router.get("/healthz", summary="Is the process alive?")
async def alive() -> dict[str, str]:
    """Always the same, quickly."""
    return {"status": "alive"}


@router.get("/v1/health", summary="Can the service take jobs?")
def health(service: Shared, response: Response) -> Health:
    """503 where it cannot, with the reason."""
    limits, settings = service.settings.limits, service.settings
    free = shutil.disk_usage(settings.data).free
    working = len(workers.alive(service.engine, settings.lease_seconds))
    reason = None
    if free < limits.free_bytes:
        reason = f"the disk is nearly full: {free >> 20} MiB are left"
    elif not working:
        reason = "no worker is running; jobs wait until one is: autoprune worker"
    response.status_code = 200 if reason is None else 503
    return Health(ready=reason is None, version=autoprune.__version__, workers=working, free_bytes=free, reason=reason)


@router.get("/metrics", response_class=PlainTextResponse, summary="Figures for Prometheus")
def metrics(service: Shared, _who: Reader) -> Response:
    """In Prometheus' text format."""
    figures = service.metrics
    figures.streams.set(service.feed.streams)
    figures.workers.set(len(workers.alive(service.engine, service.settings.lease_seconds)))
    for (device, state), count in jobs.count_by_state(service.engine).items():
        figures.jobs.labels(device, state).set(count)
    return Response(figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/v1/choices", summary="What a job can name")
def choices(service: Shared, _who: Reader) -> dict[str, Any]:
    """The models, tasks, devices, agents and criteria that a RunSpec can name here, and the limits of its numbers."""
    settings = service.settings
    return {
        "models": list(settings.models),
        "tasks": list(settings.tasks),
        "devices": list(settings.devices),
        "agents": [agent.model_dump(mode="json") for agent in find_agents().values()],
        "criteria": list(CRITERIA),
        "limits": settings.limits.model_dump(),
    }


def serve_docs(app: FastAPI) -> None:
    """/docs, with Swagger UI's files from the package fastapi-offline: nothing is loaded from other hosts."""
    import fastapi_offline

    files = Path(fastapi_offline.__file__).with_name("static")
    app.mount("/docs/files", StaticFiles(directory=files), name="docs-files")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(_DOCS)

    @app.get("/docs/start.js", include_in_schema=False)
    def start() -> Response:
        return Response(_START, media_type="text/javascript")
