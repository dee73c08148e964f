"""/web/new: the form of a new job; it is submitted as any client submits one."""

from __future__ import annotations

import functools
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from nicegui import ui
from nicegui.element import Element
from starlette.requests import Request

from autoprune.client.documents import TableDocument
from autoprune.errors import AutopruneError
from autoprune.searchers.agents import find_agents
from autoprune.service.admission import table_file
from autoprune.service.api import tables as api_tables
from autoprune.service.api import uploads as api_uploads
from autoprune.service.records import uploads
from autoprune.service.state import Service
from autoprune.service.web import markup
from autoprune.service.web.numbers.asked import Asked, spec_tree, tables_for
from autoprune.service.web.numbers.foretelling import Uniform, uniform_networks
from autoprune.service.web.numbers.history import when_text
from autoprune.service.web.pages import fields
from autoprune.service.web.pages.budgets import BudgetRows
from autoprune.service.web.pages.frame import area, fill, framed, notice, pages_of, visitor_of, warn
from autoprune.service.web.pages.uploading import upload_field
from autoprune.service.web.places import NEW, WEB, job_page
from autoprune.service.web.visitor import Refused, Visitor
from autoprune.spec import CRITERIA
from autoprune.tables.reading import read_table

_FIRST_AGENT = "knapsack"


@dataclass(slots=True)
class Form:
    """What is asked for, and the parts of the page that say more about it."""

    service: Service
    visitor: Visitor
    asked: Asked
    tables: list[TableDocument]
    weights: dict[str, str]
    key: str
    weights_choice: Element | None = None
    table_choice: Element | None = None
    budgets: BudgetRows | None = None
    agent: ui.html | None = None
    problem: ui.html | None = None

    async def change(self, **values: Any) -> None:
        """Take over what was entered."""
        for name, value in values.items():
            setattr(self.asked, name, value)
        if "model" in values:
            self.offer_tables()
        if "agent" in values:
            self.show_agent()
        await self.show_foretold()

    async def take_weights(self, upload: str) -> None:
        """Offer the weights that were uploaded, and choose them."""
        assert self.weights_choice is not None
        self.weights = await anyio.to_thread.run_sync(_weights, self.service, self.visitor)
        self.asked.weights = upload if upload in self.weights else ""
        fields.fill_choice(self.weights_choice, self.weights, self.asked.weights)

    def offer_tables(self) -> None:
        """The tables that hold the model; the first of them is chosen."""
        fitting = [table.name for table, _ in tables_for(self.asked.model, self.tables)]
        self.asked.table = fitting[0] if fitting else ""
        options = {"": "none: measure the device first", **{name: name for name in fitting}}
        assert self.table_choice is not None
        fields.fill_choice(self.table_choice, options, self.asked.table)

    def show_agent(self) -> None:
        """What the agent does, and where its settings come from."""
        assert self.agent is not None
        fill(self.agent, markup.render("agent", agent=find_agents()[self.asked.agent]))

    async def show_foretold(self) -> None:
        """What the table says of each budget."""
        assert self.budgets is not None
        self.budgets.foretell(*await anyio.to_thread.run_sync(self._networks))

    def _networks(self) -> tuple[tuple[Uniform, ...], str]:
        asked = self.asked
        fitting = [digest for table, digest in tables_for(asked.model, self.tables) if table.name == asked.table]
        if not fitting:
            return (), f"What {asked.model} takes is not known yet: the job measures the device first."
        try:
            path = table_file(asked.table, self.service.settings, lambda up: uploads.find(self.service.engine, up))
            return _uniform(
                path, path.stat().st_mtime_ns, fitting[0]
            ), "The table does not tell what the network takes."
        except (AutopruneError, OSError) as error:
            return (), str(error)

    async def submit(self) -> None:
        """Submit the job, and go to its page."""
        assert self.problem is not None
        warn(self.problem, "")
        headers = {"Idempotency-Key": self.key}
        try:
            tree = spec_tree(self.asked)
            job = await self.visitor.ask("POST", f"/v1/jobs?device={self.asked.device}", tree, headers)
        except Refused as refused:
            warn(self.problem, str(refused))
            return
        ui.navigate.to(job_page(job["id"]).removeprefix(WEB))


@functools.lru_cache(maxsize=32)
def _uniform(path: Path, stamp: int, digest: str) -> tuple[Uniform, ...]:  # noqa: ARG001 - a changed file is another
    return uniform_networks(read_table(path), digest)


@ui.page("/new", response_timeout=30)
async def new_job(request: Request) -> None:
    """The form, for those who may submit."""
    service, visitor = pages_of(request).service, visitor_of(request)
    with framed(visitor, "New job", NEW):
        area("New job", "h1")
        if not visitor.may("submit"):
            ui.context.client.status_code = 403
            area(markup.render("nothing", what="This takes a token of scope submit."))
            return
        form = await anyio.to_thread.run_sync(_form, service, visitor)
        with ui.element("form").classes("new") as element:
            _fields(form)
        element.on("submit.prevent", lambda _: form.submit(), js_handler="() => emit()")
        form.offer_tables()
        form.show_agent()
        await form.show_foretold()


def _form(service: Service, visitor: Visitor) -> Form:
    settings = service.settings
    device, held = next(iter(settings.devices.items()))
    asked = Asked(
        name="run",
        model=next(iter(settings.models), ""),
        task=next(iter(settings.tasks), ""),
        device=device,
        provider=held.provider,
        agent=_FIRST_AGENT,
    )
    tables = api_tables.list_tables(service, visitor.identity)
    return Form(service, visitor, asked, tables, _weights(service, visitor), uuid.uuid4().hex)


def _weights(service: Service, visitor: Visitor) -> dict[str, str]:
    """What can be chosen as weights, by the id of the upload; empty for none."""
    known = api_uploads.list_uploads(service, visitor.identity, "weights")
    by = {
        one.id: f"{one.id[:11]}…, {when_text(one.created)}{', by ' + one.owner if one.owner else ''}" for one in known
    }
    return {"": "the server's own", **by}


def _fields(form: Form) -> None:
    with ui.element("div").classes("columns"):
        with ui.element("fieldset"):
            area("What", "legend")
            _what(form)
        with ui.element("fieldset"):
            area("How", "legend")
            _how(form)
        with ui.element("fieldset").classes("wide"):
            area("Budget", "legend")
            _budget(form)
    form.problem = notice()
    submit = ui.element("button").props("type=submit")
    submit._text = "Submit job"


def _what(form: Form) -> None:
    settings, asked = form.service.settings, form.asked
    fields.text("Name", asked.name, lambda v: form.change(name=v), required="", maxlength="64", autocomplete="off")
    fields.choice("Model", fields.same(settings.models), asked.model, lambda v: form.change(model=v))
    form.weights_choice = fields.choice("Weights", form.weights, "", lambda v: form.change(weights=v))
    upload_field("Or upload weights (.safetensors)", "weights", form.visitor, form.take_weights)
    fields.choice("Task", fields.same(settings.tasks), asked.task, lambda v: form.change(task=v))
    fields.choice(
        "Device",
        fields.same(settings.devices),
        asked.device,
        lambda v: form.change(device=v, provider=settings.devices[v].provider),
    )


def _how(form: Form) -> None:
    asked, limits = form.asked, form.service.settings.limits
    fields.choice("Agent", fields.same(find_agents()), asked.agent, lambda v: form.change(agent=v))
    form.agent = area()
    fields.number("Trials", asked.trials, 1, limits.trials, lambda v: form.change(trials=v))
    fields.number("Fine-tuning (epochs)", asked.epochs, 0, limits.epochs, lambda v: form.change(epochs=v))
    with ui.element("details"):
        area("More", "summary")
        fields.choice("Channels chosen by", fields.same(CRITERIA), asked.criterion, lambda v: form.change(criterion=v))
        fields.number("Images of each split", asked.images, 1, limits.images, lambda v: form.change(images=v))
        fields.number("Training steps a block", asked.steps, 0, limits.steps, lambda v: form.change(steps=v))
        fields.number("Steps of all blocks", asked.together, 0, limits.steps, lambda v: form.change(together=v))
        fields.number("Seed", asked.seed, 0, 2**32 - 1, lambda v: form.change(seed=v))


def _budget(form: Form) -> None:
    asked = form.asked
    with ui.element("div").classes("columns"):
        form.table_choice = fields.choice("Latency table", {}, "", lambda v: form.change(table=v))
        fields.tick("The table may be another machine's", asked.foreign, lambda v: form.change(foreign=v))
    form.budgets = BudgetRows(asked.budgets, form.show_foretold)
