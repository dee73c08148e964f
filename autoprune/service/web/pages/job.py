"""/web/jobs/JOB: one job while it runs, and what has come of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from nicegui import ui
from nicegui.element import Element
from starlette.requests import Request

from autoprune.cost import Metric
from autoprune.deploy.report.words import generalisation_text, goal_rows, networks, rows, verdict
from autoprune.deploy.words.amounts import NAMES
from autoprune.service.web import markup
from autoprune.service.web.drawing import pictures
from autoprune.service.web.drawing.bars import bars
from autoprune.service.web.live.view import JobView
from autoprune.service.web.numbers.trials import leading, metrics_of, trades
from autoprune.service.web.pages import fields
from autoprune.service.web.pages.frame import area, fill, framed, notice, pages_of, visitor_of, warn
from autoprune.service.web.pages.watching import follow
from autoprune.service.web.places import JOBS
from autoprune.service.web.visitor import Refused, Visitor
from autoprune.tables.words import figures


@dataclass(slots=True)
class Shown:
    """The parts of the page that change."""

    visitor: Visitor
    head: ui.html
    problem: ui.html
    actions: Element
    result: ui.html
    history: ui.html
    trading: Element
    front: ui.html
    layers: ui.html
    files: ui.html
    log: ui.html
    metric: Metric | None = None
    metrics: list[Metric] = field(default_factory=list)
    offers_deletion: bool | None = None
    view: JobView | None = None

    def show(self, view: JobView) -> None:
        """Bring all parts up to date."""
        self.view = view
        fill(self.head, markup.render("job_head", job=view.job, trials=len(view.trials), best=leading(view.trials)))
        fill(self.result, _result(view))
        fill(self.layers, _layers(view))
        fill(self.files, markup.render("files", job=view.job, files=view.artefacts))
        fill(self.log, markup.render("log", events=view.events))
        self._show_trials(view)
        # Only when the offer changes: a button that is made anew while somebody answers whether to go on is not heard.
        if view.job.is_finished is not self.offers_deletion:
            self.offers_deletion = view.job.is_finished
            self._offer_actions(view)

    def _show_trials(self, view: JobView) -> None:
        if not view.trials:
            fill(self.history, markup.render("no_trials", job=view.job))
            fill(self.front, markup.render("nothing", what="What they cost is drawn against their scores then."))
            return
        fill(self.history, markup.render("picture", title="The search", svg=pictures.history(view.trials)))
        if (known := metrics_of(view.trials)) != self.metrics:
            self._offer_metrics(known)
        if self.metric is not None:
            found = trades(view.trials, self.metric)
            fill(self.front, pictures.front(found) if len(found.every) else "")

    def _offer_metrics(self, known: list[Metric]) -> None:
        self.metrics, self.metric = known, self.metric if self.metric in known else known[0] if known else None
        self.trading.clear()
        with self.trading:
            options = {str(metric): NAMES[metric] for metric in known}
            fields.choice("Score against", options, str(self.metric), self._choose_metric)

    def _choose_metric(self, metric: str) -> None:
        self.metric = Metric(metric)
        if self.view is not None:
            self._show_trials(self.view)

    def _offer_actions(self, view: JobView) -> None:
        self.actions.clear()
        if not self.visitor.may("submit"):
            return
        with self.actions:
            if view.job.is_finished:
                fields.button("Delete", self._delete, "quiet", "Delete this job and all its files?")
            else:
                fields.button("Cancel job", self._cancel, "quiet", "Cancel this job?")

    async def _cancel(self) -> None:
        await self._do("POST", "/cancel")

    async def _delete(self) -> None:
        if await self._do("DELETE", ""):
            ui.navigate.to("/jobs")

    async def _do(self, method: str, path: str) -> bool:
        assert self.view is not None
        try:
            await self.visitor.ask(method, f"/v1/jobs/{self.view.job.id}{path}")
        except Refused as refused:
            warn(self.problem, str(refused))
            return False
        warn(self.problem, "")
        return True


@ui.page("/jobs/{job}")
async def job_page(request: Request, job: str) -> None:
    """One job."""
    pages, visitor = pages_of(request), visitor_of(request)
    view = await pages.followings.look_at(job)
    if view is None:
        ui.context.client.status_code = 404
        with framed(visitor, "No such job", ""):
            area(markup.render("nothing", what="There is no such job; it may have been deleted."))
        return
    with framed(visitor, view.job.name, JOBS):
        shown = _parts(visitor, view)
        shown.show(view)
    follow(pages.followings, job, shown.show)


def _parts(visitor: Visitor, view: JobView) -> Shown:
    """The page, empty. A job that searches for nothing has no pictures of a search."""
    with ui.element("div").classes("head"):
        head = area()
        actions = ui.element("div").classes("actions")
    problem, result = notice(), area()
    searched = ui.element("div").classes("pictures")
    searched.set_visibility(view.job.kind == "run")
    with searched:
        history = area(tag="figure")
        with ui.element("figure"):
            trading, front = ui.element("figcaption"), area()
        layers = area(tag="figure")
    return Shown(
        visitor=visitor,
        head=head,
        problem=problem,
        actions=actions,
        result=result,
        history=history,
        trading=trading,
        front=front,
        layers=layers,
        files=area(tag="section"),
        log=area(tag="section"),
    )


def _result(view: JobView) -> str:
    if view.verification is not None:
        found = view.verification
        return markup.render("verified", found=found, figures=figures(found), fidelity=pictures.fidelity(found))
    if view.measured:
        return markup.render("measured", networks=view.measured)
    if view.report is None:
        return ""
    report = view.report
    return markup.render(
        "result",
        verdict=verdict(report),
        goals=goal_rows(report),
        names=[name for name, _ in networks(report)],
        rows=rows(report),
        generalisation=generalisation_text(report),
    )


def _layers(view: JobView) -> str:
    if not view.layers:
        return markup.render("nothing", what="Channels kept in each layer are drawn once the search has begun.")
    title = "Channels kept in each layer" + ("" if view.has_policy else ", by the best policy so far")
    return markup.render("picture", title=title, svg=bars(view.layers))
