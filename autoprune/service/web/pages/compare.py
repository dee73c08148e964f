"""/web/compare: two jobs side by side, live."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from nicegui import ui
from starlette.requests import Request

from autoprune.client.documents import JobDocument
from autoprune.service.web import markup
from autoprune.service.web.drawing import pictures
from autoprune.service.web.drawing.bars import bars
from autoprune.service.web.live.view import JobView
from autoprune.service.web.numbers.history import when_text
from autoprune.service.web.numbers.trials import metrics_of
from autoprune.service.web.pages import fields
from autoprune.service.web.pages.frame import area, fill, framed, pages_of, visitor_of
from autoprune.service.web.pages.watching import follow
from autoprune.service.web.places import COMPARE, WEB, compare_page
from autoprune.service.web.side_by_side import side_by_side


@dataclass(slots=True)
class Compared:
    """The parts of the page that change; `views` by the place of each job, left and right."""

    table: ui.html
    drawn: ui.html
    views: dict[int, JobView] = field(default_factory=dict)

    def show(self, place: int, view: JobView) -> None:
        """Take over what has changed in one of the jobs."""
        self.views[place] = view
        shown = [self.views[i] for i in sorted(self.views)]
        jobs = [view.job for view in shown]
        fill(self.table, markup.render("compared", jobs=jobs, rows=side_by_side(shown, time.time())))
        fill(self.drawn, _drawn(shown) if len(shown) == 2 else "")


@ui.page("/compare")
async def compare_jobs(request: Request, a: str = "", b: str = "") -> None:
    """Two jobs, chosen from those that are known."""
    pages, visitor = pages_of(request), visitor_of(request)
    known = [job for job in (await pages.board.read()).jobs if job.kind == "run"]
    chosen = [await pages.followings.look_at(job) for job in (a, b)]
    with framed(visitor, "Compare", COMPARE):
        area("Compare two jobs", "h1")
        _offer(known, chosen, [a, b])
        found = {i: view for i, view in enumerate(chosen) if view is not None and view.job.kind == "run"}
        if not found:
            area(markup.render("nothing", what="Choose two jobs to see them side by side."))
            return
        compared = Compared(area(), area(classes="pictures"))
        for place, view in found.items():
            compared.show(place, view)
            follow(pages.followings, view.job.id, lambda news, place=place: compared.show(place, news))  # type: ignore[misc]


def _offer(known: list[JobDocument], chosen: list[JobView | None], asked: list[str]) -> None:
    every = {job.id: job for job in [*known, *(view.job for view in chosen if view is not None)]}
    options = {"": "choose a job", **{job.id: f"{job.name}, {when_text(job.created)}" for job in every.values()}}

    def choose(place: int, job: str) -> None:
        asked[place] = job
        ui.navigate.to(compare_page(*asked).removeprefix(WEB))

    with ui.element("div").classes("filters"):
        for place, label in enumerate(("First job", "Second job")):
            fields.choice(label, options, asked[place], lambda job, place=place: choose(place, job))  # type: ignore[misc]


def _drawn(views: list[JobView]) -> str:
    names = _names(views)
    trials = {name: view.trials for name, view in zip(names, views, strict=True)}
    drawn = []
    if all(view.trials for view in views):
        drawn.append(("The best reward so far", pictures.histories(trials)))
        both = [metric for metric in metrics_of(views[0].trials) if metric in metrics_of(views[1].trials)]
        drawn += [("Score against cost: the fronts", pictures.fronts(trials, metric)) for metric in both[:1]]
    drawn += [(f"Channels kept by {n}", bars(v.layers)) for n, v in zip(names, views, strict=True) if v.layers]
    pieces = (markup.render("picture", title=title, svg=svg) for title, svg in drawn)
    return "".join(f"<figure>{piece}</figure>" for piece in pieces)


def _names(views: list[JobView]) -> list[str]:
    """The jobs' names, told apart where they are the same."""
    first, second = (view.job.name for view in views)
    return [first, second] if first != second else [f"{first} (first)", f"{second} (second)"]
