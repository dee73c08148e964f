"""/web/table: one network of a latency table, its stairs and how the table compared with the clock."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from nicegui import ui
from starlette.requests import Request

from autoprune.errors import AutopruneError
from autoprune.profiler.table.network_profile import NetworkProfile
from autoprune.service.admission import table_file
from autoprune.service.state import Service
from autoprune.service.web import markup
from autoprune.service.web.drawing import pictures
from autoprune.service.web.pages import fields
from autoprune.service.web.pages.frame import area, framed, notice, pages_of, visitor_of, warn
from autoprune.service.web.places import TABLES, WEB, job_page
from autoprune.service.web.visitor import Refused, Visitor
from autoprune.tables.reading import read_table
from autoprune.tables.review import Review, find_network
from autoprune.tables.words import NOT_WORTH, figures

_NETWORKS = 30  # as `autoprune tables verify` takes


@ui.page("/table", response_timeout=60)
async def show_table(request: Request, name: str = "", network: str = "") -> None:
    """One network of a table."""
    service, visitor = pages_of(request).service, visitor_of(request)
    try:
        content = await anyio.to_thread.run_sync(_content, service, name, network)
        held = await anyio.to_thread.run_sync(_network, service, name, network)
    except AutopruneError as error:
        ui.context.client.status_code = 404
        content, held = markup.render("nothing", what=str(error)), None
    with framed(visitor, "Table", TABLES):
        area(content)
        if held is not None and visitor.may("submit"):
            _offer_verification(Check(visitor, name, held.name, held.input_shape), service)


@dataclass(slots=True)
class Check:
    """A verification that is asked for: of which table, with which of the server's models, on how many networks."""

    visitor: Visitor
    table: str
    model: str
    shape: tuple[int, ...]
    networks: int = _NETWORKS
    device: str = ""

    def change(self, **values: Any) -> None:
        """Take over what was entered."""
        for name, value in values.items():
            setattr(self, name, value)

    async def submit(self, problem: ui.html) -> None:
        """Submit it as a job, and go to the job's page."""
        body = {"table": self.table, "model": self.model, "input": self.shape, "networks": self.networks}
        try:
            job = await self.visitor.ask("POST", f"/v1/tables/verify?device={quote(self.device)}", body)
        except Refused as refused:
            warn(problem, str(refused))
            return
        ui.navigate.to(job_page(job["id"]).removeprefix(WEB))


def _offer_verification(check: Check, service: Service) -> None:
    """The form; which of the server's models the network is, its name may not tell."""
    settings = service.settings
    check.model = check.model if check.model in settings.models else next(iter(settings.models), "")
    check.device = next(iter(settings.devices))
    area("Verify it", "h2")
    what = "Networks that the table was not made from are measured on the device, as a job, and compared."
    area(markup.render("nothing", what=what))
    with ui.element("form").classes("filters") as form:
        fields.choice("Model", fields.same(settings.models), check.model, lambda v: check.change(model=v))
        fields.choice("Device", fields.same(settings.devices), check.device, lambda v: check.change(device=v))
        fields.number("Networks", check.networks, 2, 1000, lambda v: check.change(networks=v))
        button = ui.element("button").props("type=submit")
        button._text = "Verify"
    problem = notice()
    form.on("submit.prevent", lambda _: check.submit(problem), js_handler="() => emit()")


def _network(service: Service, name: str, network: str) -> NetworkProfile:
    path = table_file(name, service.settings, service.find_upload)
    table = read_table(path)
    return table.network(find_network(table, network))


def _content(service: Service, name: str, network: str) -> str:
    path = table_file(name, service.settings, service.find_upload)
    return _drawn(name, path, path.stat().st_mtime_ns, network)


@functools.lru_cache(maxsize=32)
def _drawn(name: str, path: Path, stamp: int, network: str) -> str:  # noqa: ARG001 - a changed file is another entry
    """The page's content; drawn once for all who look."""
    table = read_table(path)
    review = Review.of(table, find_network(table, network))
    profile, verification = review.profile, review.profile.verification
    known = [[step for step in steps if math.isfinite(step.ms)] for steps in review.stairs]
    groups = zip(profile.groups, known, strict=True)
    return markup.render(
        "table",
        name=name,
        profile=profile,
        review=review,
        device=table.fingerprint.gpu or table.fingerprint.cpu,
        created=table.created,
        dense_ms=profile.constant_ms + profile.scale * profile.dense_ms,
        verification=verification,
        figures=figures(verification) if verification else [],
        fidelity=pictures.fidelity(verification) if verification else "",
        stairs=[(group.name, pictures.stairs(steps, group.name)) for group, steps in groups if steps],
        not_worth=NOT_WORTH,
    )
