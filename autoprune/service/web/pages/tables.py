"""/web/tables: the latency tables that are installed, and those that were uploaded."""

from __future__ import annotations

import anyio.to_thread
from nicegui import ui
from starlette.requests import Request

from autoprune.service.api import tables
from autoprune.service.web import markup
from autoprune.service.web.pages.frame import area, framed, pages_of, visitor_of
from autoprune.service.web.places import TABLES


@ui.page("/tables", response_timeout=30)
async def list_tables(request: Request) -> None:
    """The list."""
    visitor = visitor_of(request)
    found = await anyio.to_thread.run_sync(tables.list_tables, pages_of(request).service, visitor.identity)
    with framed(visitor, "Tables", TABLES):
        area("Latency tables", "h1")
        area(markup.render("tables", tables=found))
