"""The budgets of the form: a row each, and beside each what the table says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from nicegui import ui
from nicegui.element import Element

from autoprune.budget import Budget
from autoprune.cost import Metric
from autoprune.deploy.words.amounts import NAMES
from autoprune.errors import BadInput
from autoprune.service.web import markup
from autoprune.service.web.drawing import pictures
from autoprune.service.web.numbers.asked import AskedBudget
from autoprune.service.web.numbers.foretelling import Uniform, foretell
from autoprune.service.web.pages import fields
from autoprune.service.web.pages.frame import area, fill

_METRICS = (Metric.LATENCY, Metric.MACS, Metric.ENERGY, Metric.PARAMS, Metric.MEMORY, Metric.SIZE)
_KINDS = {"share": "a share of the dense network's", "amount": "an amount"}
_EXAMPLES = {
    Metric.LATENCY: "8ms",
    Metric.MACS: "60M",
    Metric.ENERGY: "2mJ",
    Metric.PARAMS: "200k",
    Metric.MEMORY: "4MiB",
    Metric.SIZE: "1MB",
}


@dataclass(slots=True)
class _Row:
    """One budget, and the parts of its row that change."""

    asked: AskedBudget
    limit: Element
    foretold: ui.html


@dataclass(slots=True)
class BudgetRows:
    """All rows; `asked` is what they ask for, `changed` is called when that is another."""

    asked: list[AskedBudget]
    changed: Callable[[], Awaitable[None]]
    place: Element = field(init=False)
    rows: list[_Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.place = ui.element("div")
        self._show()
        fields.button("Add a budget", self._add, "quiet")

    def foretell(self, networks: Sequence[Uniform], why: str) -> None:
        """Say of each budget what `networks` of uniform widths can do under it; `why` where there are none."""
        for row in self.rows:
            fill(row.foretold, _foretold(row.asked, networks, why))

    def _show(self) -> None:
        self.place.clear()
        self.rows = []
        with self.place:
            for asked in self.asked:
                with ui.element("div").classes("budget").props("role=group"):
                    with ui.element("div"):
                        limit = self._fields(asked)
                    self.rows.append(_Row(asked, limit, area(classes="foretold").props("aria-live=polite")))
                self._offer_limit(self.rows[-1])

    def _fields(self, asked: AskedBudget) -> Element:
        """A row's fields; the place of the limit's, which depends on its kind."""
        options = {str(metric): NAMES[metric] for metric in _METRICS}
        fields.choice("Cost", options, str(asked.metric), lambda value: self._choose(asked, Metric(value)))
        kind = "share" if asked.amount is None else "amount"
        fields.choice("At most", _KINDS, kind, lambda value: self._limit_by(asked, value))
        limit = ui.element("div")
        if len(self.asked) > 1:
            fields.button("Remove this budget", lambda: self._remove(asked), "quiet")
        return limit

    def _offer_limit(self, row: _Row) -> None:
        asked = row.asked
        row.limit.clear()
        with row.limit:
            if asked.amount is None:
                shown = area(_share_text(asked.share), "output", "share")
                label = "At most this share of the dense network's"
                fields.slider(
                    label, round(100 * asked.share), 5, 100, lambda percent: self._slide(asked, shown, percent)
                )
            else:
                example = f"At most, as {_EXAMPLES[asked.metric]}"
                fields.text(example, asked.amount, lambda value: self._enter(asked, value), autocomplete="off")

    async def _choose(self, asked: AskedBudget, metric: Metric) -> None:
        asked.metric = metric
        if asked.amount is not None:
            self._offer_limit(self._row(asked))
        await self.changed()

    async def _limit_by(self, asked: AskedBudget, kind: str) -> None:
        asked.amount = None if kind == "share" else _EXAMPLES[asked.metric]
        self._offer_limit(self._row(asked))
        await self.changed()

    async def _slide(self, asked: AskedBudget, shown: ui.html, percent: int) -> None:
        asked.share = percent / 100
        fill(shown, _share_text(asked.share))
        await self.changed()

    async def _enter(self, asked: AskedBudget, amount: str) -> None:
        asked.amount = amount
        await self.changed()

    async def _add(self) -> None:
        taken = {asked.metric for asked in self.asked}
        self.asked.append(AskedBudget(next((metric for metric in _METRICS if metric not in taken), Metric.LATENCY)))
        self._show()
        await self.changed()

    async def _remove(self, asked: AskedBudget) -> None:
        self.asked.remove(asked)
        self._show()
        await self.changed()

    def _row(self, asked: AskedBudget) -> _Row:
        return next(row for row in self.rows if row.asked is asked)


def _foretold(asked: AskedBudget, networks: Sequence[Uniform], why: str) -> str:
    try:
        budget = Budget.parse(asked.text)
    except BadInput as error:
        return markup.render("nothing", what=str(error))
    found = foretell(networks, budget)
    if networks and found is None:
        why = f"A latency table tells nothing of {NAMES[asked.metric]}; the job itself counts them."
    svg = pictures.foretold(networks, found) if found else ""
    return markup.render("foretold", found=found, svg=svg, why=why)


def _share_text(share: float) -> str:
    return f"{100 * share:.0f}%"
