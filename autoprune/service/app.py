"""The HTTP application: routers, and what every request passes on its way to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

import autoprune
from autoprune.client.documents import Problem
from autoprune.service.answers import answer_problems
from autoprune.service.api import about, access, jobs, networks, products, tables, uploads
from autoprune.service.metrics import Measured
from autoprune.service.security.audited import Audited
from autoprune.service.security.guard import Guard
from autoprune.service.settings import Settings
from autoprune.service.state import Service
from autoprune.service.web.mounting import mount

_PROBLEMS: dict[int | str, dict[str, object]] = {
    "4XX": {"model": Problem, "description": "refused; the way out is told"},
    "5XX": {"model": Problem, "description": "not possible now"},
}


def make_app(settings: Settings) -> FastAPI:
    """The application; raises `BadInput` where its folders or its database cannot be opened."""
    service = Service.of(settings)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(service.feed.look())
        yield
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        service.client.destroy()
        service.engine.dispose()

    app = FastAPI(
        title="autoprune",
        version=autoprune.__version__,
        description="Jobs that make networks smaller: submit, watch, fetch.",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        responses=_PROBLEMS,
    )
    app.state.service = service
    for room in (jobs, products, uploads, tables, networks, access, about):
        app.include_router(room.router)
    about.serve_docs(app)
    answer_problems(app)
    mount(app, service)
    app.add_middleware(Audited, engine=service.engine)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Measured, metrics=service.metrics)
    return app
