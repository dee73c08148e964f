"""The pages on the service's application. The one room that sets NiceGUI up."""

from __future__ import annotations

from fastapi import FastAPI

from autoprune.service.state import Service
from autoprune.service.web import signing
from autoprune.service.web.gate import Gate
from autoprune.service.web.places import STYLE, WEB
from autoprune.service.web.state import Pages


def mount(app: FastAPI, service: Service) -> None:
    """Add the pages to `app`, and the gate before them. NiceGUI keeps one set of pages a process, so once."""
    from nicegui import core, ui

    from autoprune.service.web import pages

    app.state.pages = Pages.of(service, app)
    app.include_router(signing.router)
    app.add_middleware(Gate, pages=app.state.pages)
    # No storage secret: nothing of a visitor is kept outside the service's own sessions.
    core.app.config.socket_io_js_transports = ["websocket"]
    core.app.on_page_exception(pages.frame.show_failure)
    ui.add_head_html(f'<link rel="stylesheet" href="{STYLE}">', shared=True)
    ui.run_with(
        app,
        mount_path=WEB,
        title="autoprune",
        favicon="✂️",
        dark=None,
        language="en-US",
        tailwind=False,
        gzip_middleware_factory=None,
        binding_refresh_interval=None,
        show_welcome_message=False,
    )
