"""/web/tables: the latency tables that are installed, and those that were uploaded."""

from __future__ import annotations

import anyio.to_thread
from nicegui import ui
from starlette.requests import Request

from autoprune.service.api import tables
from autoprune.service.web import markup
from autoprune.service.web.pages.frame import area, framed, pages_of, visitor_of
from autoprune.service.web.pages.uploading import upload_field
from autoprune.service.web.places import TABLES


@ui.page("/tables", response_timeout=30)
async def list_tables(request: Request) -> None:
    """The list."""
    visitor = visitor_of(request)
    found = await anyio.to_thread.run_sync(tables.list_tables, pages_of(request).service, visitor.identity)
    with framed(visitor, "Tables", TABLES):
        area("Latency tables", "h1")
        if visitor.may("submit"):
            upload_field("Upload a table (.json or .json.gz)", "table", visitor, _show_again)
        area(markup.render("tables", tables=found))


async def _show_again(_upload: str) -> None:
    """The list with the table that has come."""
    ui.navigate.reload()
