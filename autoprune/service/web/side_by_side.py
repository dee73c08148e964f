"""Two jobs in the rows of one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autoprune.client.documents import JobDocument
from autoprune.deploy.report.words import rows as report_rows
from autoprune.deploy.words.cells import Cell, Row
from autoprune.service.web.live.view import JobView
from autoprune.service.web.numbers.history import taken_text
from autoprune.service.web.numbers.trials import leading
from autoprune.spec import RunSpec

_UNKNOWN = "–"


def side_by_side(views: Sequence[JobView], now: float) -> list[Row]:
    """What was asked for, how the searches stand, and what the networks handed over cost, as far as that is known."""
    asked: list[tuple[str, Callable[[RunSpec], str]]] = [
        ("model", lambda spec: spec.model.name),
        ("task", lambda spec: spec.task.name),
        ("agent", lambda spec: spec.search.agent),
        ("budgets", lambda spec: ", ".join(map(str, spec.search.budgets)) or _UNKNOWN),
        ("seed", lambda spec: str(spec.search.seed)),
    ]
    specs = [RunSpec.parse(dict(view.job.spec)) for view in views]
    rows = [Row(name, "", tuple(Cell(tell(spec)) for spec in specs)) for name, tell in asked]
    standing = [
        Row("state", "", tuple(Cell(view.job.state) for view in views)),
        Row("took", "", tuple(Cell(_taken(view.job, now)) for view in views)),
        Row(
            "trials",
            "",
            tuple(Cell(f"{len(view.trials)} of {s.search.trials}") for view, s in zip(views, specs, strict=True)),
        ),
        Row("best reward", "", tuple(Cell(_best(view)) for view in views)),
    ]
    return [*rows, *standing, *_delivered(views)]


def _delivered(views: Sequence[JobView]) -> list[Row]:
    """The rows of both reports, the network that each hands over; those that one lacks are left open there."""
    found = [{(row.name, row.kind): row.cells for row in report_rows(v.report)} if v.report else {} for v in views]
    keys = dict.fromkeys(key for rows in found for key in rows)
    return [Row(*key, tuple(rows[key][-1] if key in rows else Cell(_UNKNOWN) for rows in found)) for key in keys]


def _best(view: JobView) -> str:
    best = leading(view.trials)
    return _UNKNOWN if best is None else f"{best.reward:.4g}"


def _taken(job: JobDocument, now: float) -> str:
    return taken_text(job, now) or _UNKNOWN
