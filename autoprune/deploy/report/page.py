"""report.html: the report for people, one file that needs nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoprune.cost import Metric
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.front.document import FrontFile
from autoprune.deploy.front.pictures import front_picture
from autoprune.deploy.page.template import Picture, template
from autoprune.deploy.report import pictures
from autoprune.deploy.report.document import Report
from autoprune.deploy.report.words import generalisation_text, goal_rows, networks, rows, table_text, verdict
from autoprune.deploy.table.fidelity import fidelity
from autoprune.space import SearchSpace
from autoprune.tables.words import figures
from autoprune.trial import Trial


def render(
    report: Report,
    trials: Sequence[Trial],
    space: SearchSpace,
    *,
    dense: Trial | None = None,
    spec_toml: str = "",
    verify_with: Sequence[str] = (),
    front: FrontFile | None = None,
) -> str:
    """report.html of a run: self-contained, no script, the same text for the same arguments.

    `trials` are the search's, in order (empty where nothing was searched); `dense` is the dense
    network scored as they were, to mark it among them; `space` gives the groups and the frozen ones;
    `verify_with` the commands that check the latency table, shown where nobody has; `front` is what
    the search found of one.
    """
    chosen = _chosen(report, trials, space)
    return template("report/report.html").render(
        report=report,
        verdict=verdict(report),
        goals=goal_rows(report),
        networks=networks(report),
        rows=rows(report),
        drawn=[*_pictures(report, trials, space, chosen, dense), *_front(front)],
        generalisation=generalisation_text(report),
        unscored=sum(not math.isfinite(t.reward) for t in trials),
        table=report.table,
        table_text=table_text(report),
        fidelity=_fidelity(report),
        verify_with=verify_with,
        frozen=space.frozen,
        device={key: _plain(value) for key, value in report.device.items()},
        spec_toml=spec_toml,
    )


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How a latency table's predictions compared with the clock: a drawing, and every figure with its meaning."""

    picture: Picture
    figures: Sequence[tuple[str, str]]


def _fidelity(report: Report) -> Fidelity | None:
    found = report.table.verification if report.table else None
    if found is None:
        return None
    caption = f"{found.networks} networks that the table was not made from: what it predicts, and what they take."
    return Fidelity(Picture(fidelity(found), caption), figures(found))


def _front(found: FrontFile | None) -> list[Picture]:
    caption = "The front: the best trades of score against cost that the search has found, before any fine-tuning."
    return [] if found is None else [Picture(front_picture(found), caption)]


def _pictures(
    report: Report, trials: Sequence[Trial], space: SearchSpace, chosen: Trial | None, dense: Trial | None
) -> list[Picture]:
    drawn = []
    if space.groups:
        kept = pictures.channels(space, report.policy)
        drawn.append(Picture(kept, "Channels each group keeps, over those of the dense network."))
    if not trials:
        return drawn
    metric = _axis(report, trials, dense)
    limit = next((_absolute(b, dense) for b in report.budgets if b.metric is metric), None)
    scatter = pictures.frontier(trials, metric, report.metric, chosen=chosen, dense=dense, limit=limit)
    return [
        Picture(pictures.history(trials), "The search: what each trial earned, and the best until then."),
        Picture(scatter, "Every policy tried: what it scores on the validation split and what it costs."),
        *drawn,
    ]


def _absolute(budget: BudgetLine, dense: Trial | None) -> float | None:
    """The limit in the metric's unit; None for a share of a cost that is not known."""
    if not budget.relative:
        return budget.limit
    return budget.limit * dense.cost.of(budget.metric) if dense else None


def _axis(report: Report, trials: Sequence[Trial], dense: Trial | None) -> Metric:
    """What trials are drawn against: latency, or energy where only that is limited; MACs where it is not known."""
    limited = {b.metric for b in report.budgets}
    wanted = Metric.ENERGY if Metric.ENERGY in limited and Metric.LATENCY not in limited else Metric.LATENCY
    every = [t.cost for t in (*trials, *([dense] if dense else []))]
    known = all((c.energy_mj if wanted is Metric.ENERGY else c.latency_ms) is not None for c in every)
    return wanted if known else Metric.MACS


def _chosen(report: Report, trials: Sequence[Trial], space: SearchSpace) -> Trial | None:
    """The first trial that scored the report's policy, if any did."""
    widths = tuple(report.policy[g.name] for g in space.groups)
    return next((t for t in trials if t.policy.widths == widths), None)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
