"""A report in words and rows: what the page and the command line both show."""

from __future__ import annotations

from autoprune.cost import Metric
from autoprune.deploy.document.standing import Standing
from autoprune.deploy.report.document import Report
from autoprune.deploy.words.amounts import NAMES, OF_A_DEVICE, interval_text, score_text
from autoprune.deploy.words.cells import Cell, Row
from autoprune.deploy.words.costs import cost_rows
from autoprune.deploy.words.goals import GoalRow, budget_row, floor_and_other_rows
from autoprune.tables.words import verdict as table_verdict


def verdict(report: Report) -> str:
    """The outcome in one line, as in `0.50x the latency (measured), accuracy 98.2% (dense 98.7%)`."""
    limited = [b.metric for b in report.budgets] + ([report.floor.minimised] if report.floor else [])
    device_only = [m for m in limited if m in OF_A_DEVICE]
    metrics = [*device_only, Metric.LATENCY, *limited, Metric.MACS]
    costs = [f"{r[0]:.2f}× the {NAMES[m]} ({r[1]}), " for m in metrics if (r := report.ratio(m))]
    after, before = (score_text(s.score, report.metric) for s in (report.result, report.dense))
    return f"{''.join(costs[:1])}{report.metric} {after} (dense {before})"


def goal_rows(report: Report) -> list[GoalRow]:
    """All that was asked of the run."""
    here = [budget_row(report.check(budget)) for budget in report.budgets]
    return [*here, *floor_and_other_rows(report.floor, report.metric, report.also)]


def table_text(report: Report) -> str | None:
    """How far the table's predictions can be trusted, in one line; None where the run read no table."""
    table = report.table
    if table is None:
        return None
    if table.verification is None:
        return "its predictions have not been checked on unseen networks (autoprune tables verify does)"
    return table_verdict(table.verification)


def generalisation_text(report: Report) -> str | None:
    """How the chosen policy scored on each split, and how well the search ranked the finalists; None if not known."""
    found = report.generalisation
    if found is None:
        return None
    in_search = (
        [] if found.search is None else [f"{score_text(found.search, report.metric)} in the search (validation)"]
    )
    scores = [
        *in_search,
        f"{score_text(found.selection, report.metric)} refitted (selection)",
        f"{score_text(found.test, report.metric)} on the test split, which chose nothing",
    ]
    told = f"the chosen policy scores {', '.join(scores)}"
    if found.rank_correlation is None:
        return told
    ranked = f"the search ranked its {found.finalists} finalists with a rank correlation of"
    return f"{told}; {ranked} {found.rank_correlation:.2f} to the selection split"


def networks(report: Report) -> list[tuple[str, Standing]]:
    """The networks of a report by name: dense, pruned, and fine-tuned where there is one."""
    always = [("Dense", report.dense), ("Pruned", report.pruned)]
    return [*always, ("Fine-tuned", report.finetuned)] if report.finetuned else always


def rows(report: Report) -> list[Row]:
    """Every quantity that is known of any network, before and after."""
    standings = [s for _, s in networks(report)]
    scores = Row(report.metric, _split_text(report), tuple(_score_cell(s, report.metric) for s in standings))
    return [scores, *cost_rows(standings, report.also)]


def _split_text(report: Report) -> str:
    return "test split, 95% interval" if report.dense.score_ci95 else "test split"


def _score_cell(standing: Standing, metric: str) -> Cell:
    if standing.score_ci95 is None:
        return Cell(score_text(standing.score, metric))
    return Cell(score_text(standing.score, metric), (interval_text(standing.score_ci95, metric),))
