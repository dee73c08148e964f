"""What every page has around it: a way past the navigation, the navigation, who is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui
from starlette.requests import Request

from autoprune.service.answers import explain
from autoprune.service.web import markup
from autoprune.service.web.places import COMPARE, JOBS, NEW, TABLES
from autoprune.service.web.state import Pages
from autoprune.service.web.visitor import Visitor


def pages_of(request: Request) -> Pages:
    """What all pages share, as the gate has put it into the request."""
    found: Pages = request.state.pages
    return found


def visitor_of(request: Request) -> Visitor:
    """Who looks."""
    return Visitor.of(request, pages_of(request).app)


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
