"""A front in words and rows: what the page and the command line both show."""

from __future__ import annotations

from autoprune.cost import Metric
from autoprune.deploy.front.document import FrontFile, Point
from autoprune.deploy.words.amounts import NAMES, amount_text, interval_text, score_text
from autoprune.deploy.words.cells import Cell


def headline(found: FrontFile) -> str:
    """The outcome in one line, as in `accuracy against latency: 8 networks, 0.21× (88.1%) to 0.94× (92.0%)`."""
    metric = found.traded[0]
    ends = [f"{share(found, p, metric):.2f}× ({_score(found, p.selection)})" for p in found.refitted]
    against = " and ".join(NAMES[m] for m in found.traded)
    reach = f", {ends[0]} to {ends[-1]}" if len(ends) > 1 else ""
    return f"{found.metric} against {against}: {len(ends)} {'network' if len(ends) == 1 else 'networks'}{reach}"


def share(found: FrontFile, point: Point, metric: Metric) -> float:
    """A point's cost as a share of the dense network's."""
    return point.costs[metric] / found.dense.costs[metric]


def columns(found: FrontFile) -> list[str]:
    """Names of the columns of `rows`."""
    return [*(NAMES[metric] for metric in found.traded), f"{found.metric}, selection", "validation", ""]


def rows(found: FrontFile) -> list[list[Cell]]:
    """A row for each point that was refitted, the cheapest first, and the dense network's at the end."""
    return [
        [
            *(_cost_cell(found, point, metric) for metric in found.traded),
            _selection_cell(found, point),
            Cell(_score(found, point.validation)),
            Cell("dense" if point is found.dense else "" if point.best else "beaten by another"),
        ]
        for point in (*found.refitted, found.dense)
    ]


def _cost_cell(found: FrontFile, point: Point, metric: Metric) -> Cell:
    return Cell(amount_text(point.costs[metric], metric), (f"{share(found, point, metric):.2f}×",))


def _selection_cell(found: FrontFile, point: Point) -> Cell:
    interval = (interval_text(point.selection_ci95, found.metric),) if point.selection_ci95 else ()
    return Cell(_score(found, point.selection), interval)


def _score(found: FrontFile, score: float | None) -> str:
    return "–" if score is None else score_text(score, found.metric)
