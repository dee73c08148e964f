"""/web/jobs: what is waiting, what is worked at, what is done; live, the newest first."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio.to_thread
from nicegui import ui
from nicegui.element import Element
from starlette.requests import Request
from starlette.responses import RedirectResponse

from autoprune.client.documents import JobDocument, JobPage, State
from autoprune.service.records import jobs as records
from autoprune.service.web import markup
from autoprune.service.web.live.board import MOST_JOBS
from autoprune.service.web.numbers.listing import Filter, is_shown
from autoprune.service.web.pages import fields
from autoprune.service.web.pages.frame import area, fill, framed, pages_of, visitor_of
from autoprune.service.web.pages.watching import while_shown
from autoprune.service.web.places import JOBS

STATES: dict[str, str] = {"": "any", **{state: state for state in State.__args__}}  # type: ignore[attr-defined]


@dataclass(slots=True)
class Listed:
    """The list on one page: its rows by job, each of which stays where it is while only its state changes."""

    place: Element
    empty: ui.html
    wanted: Filter = field(default_factory=Filter)
    found: list[JobDocument] = field(default_factory=list)
    older: list[JobDocument] = field(default_factory=list)
    rows: dict[str, ui.html] = field(default_factory=dict)

    def show(self, page: JobPage | None = None) -> None:
        """Bring the rows up to date."""
        if page is not None:
            self.found = list(page.jobs)
        newest = {job.id for job in self.found}
        every = [*self.found, *(job for job in self.older if job.id not in newest)]
        shown = [job for job in every if is_shown(job, self.wanted)]
        if [job.id for job in shown] != list(self.rows):
            self._arrange(shown)
        for job in shown:
            fill(self.rows[job.id], markup.render("job_row", job=job))
        fill(self.empty, "" if shown else markup.render("no_jobs", is_filtered=bool(every)))

    def _arrange(self, shown: list[JobDocument]) -> None:
        self.place.clear()
        self.rows = {}
        with self.place:
            for job in shown:
                with ui.element("li"):
                    area(markup.render("job_link", job=job), "div", "job-name")
                    self.rows[job.id] = area(classes="job-state")

    async def show_older(self, request: Request) -> bool:
        """Add the jobs before the last; whether there are still more."""
        engine, last = pages_of(request).service.engine, [*self.found, *self.older][-1].id
        page = await anyio.to_thread.run_sync(lambda: records.page(engine, before=last, limit=MOST_JOBS))
        self.older += page.jobs
        self.show()
        return page.next is not None


@ui.page("/")
def first() -> RedirectResponse:
    """The list is the first page."""
    return RedirectResponse(JOBS)


@ui.page("/jobs")
async def jobs_page(request: Request) -> None:
    """The list."""
    board, visitor = pages_of(request).board, visitor_of(request)
    page = await board.read()
    with framed(visitor, "Jobs", JOBS):
        area("Jobs", "h1")
        with ui.element("div").classes("filters").props("role=search"):
            fields.choice("State", STATES, "", lambda value: _filter(listed, state=value))
            fields.text("Name", "", lambda value: _filter(listed, name=value), autocomplete="off")
        place = ui.element("ul").classes("jobs")
        listed = Listed(place, area())
        listed.show(page)
        if page.next is not None:
            more = fields.button("Show older jobs", lambda: _more(listed, request, more))
    while_shown(board.watch, board.leave, listed.show)


def _filter(listed: Listed, **wanted: str) -> None:
    listed.wanted = listed.wanted.with_(**wanted)
    listed.show()


async def _more(listed: Listed, request: Request, button: Element) -> None:
    if not await listed.show_older(request):
        button.delete()
