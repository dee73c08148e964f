"""What every page has around it: a way past the navigation, the navigation, who is signed in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui
from starlette.requests import Request

from autoprune.service.answers import explain
from autoprune.service.security.identity import COOKIE
from autoprune.service.web import markup
from autoprune.service.web.places import COMPARE, JOBS, NEW, TABLES
from autoprune.service.web.state import Pages
from autoprune.service.web.visitor import Visitor

_SECONDS_TO_GO = 0.5  # for a page whose session has ended


def pages_of(request: Request) -> Pages:
    """What all pages share, as the gate has put it into the request."""
    found: Pages = request.state.pages
    return found


def visitor_of(request: Request) -> Visitor:
    """Who looks. Their page ends with their session: it loads again, to where one signs in, and hears no more."""
    pages, client = pages_of(request), ui.context.client
    visitor = Visitor.of(request, pages.app)
    if session := visitor.cookies.get(COOKIE):

        def end() -> None:
            client.run_javascript("location.reload()")
            asyncio.get_running_loop().call_later(_SECONDS_TO_GO, client.delete)

        pages.present.enter(session, end)
        client.on_delete(lambda: pages.present.leave(session, end))
    return visitor


@contextmanager
def framed(visitor: Visitor, title: str, here: str) -> Iterator[None]:
    """The frame; what the block adds is the page's content. `here` is the place in the navigation."""
    ui.page_title(f"{title} · autoprune")
    links = [("Jobs", JOBS), ("Compare", COMPARE), ("Tables", TABLES)]
    if visitor.may("submit"):
        links.append(("New job", NEW))
    area(markup.render("header", links=links, here=here, visitor=visitor), "div", "top")
    with ui.element("main").props("id=main tabindex=-1"):
        yield


def area(content: str = "", tag: str = "div", classes: str = "") -> ui.html:
    """A part of a page that is filled with HTML of our own making."""
    return ui.html(content, sanitize=False, tag=tag).classes(classes)


def fill(part: ui.html, content: str) -> None:
    """Put other HTML into a part, if it is other."""
    if part.content != content:
        part.set_content(content)


def show_failure(error: Exception) -> None:
    """The page instead of one that could not be made: why, as the service would answer it."""
    area(markup.render("failure", refusal=explain(error)))


def notice() -> ui.html:
    """Where a page says what went wrong; read out as soon as it is filled."""
    return area(tag="div", classes="notice").props("role=alert")


def warn(part: ui.html, text: str) -> None:
    """Say what went wrong; empty to say nothing."""
    fill(part, markup.render("notice", text=text))
