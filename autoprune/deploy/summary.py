"""A report in words and rows: what the page and the command line both show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from autoprune.cost import Metric
from autoprune.deploy.goals import BudgetCheck, BudgetLine, FloorLine, OtherDevice
from autoprune.deploy.report import Report
from autoprune.deploy.standing import CostLine, Source, Standing
from autoprune.tables.words import verdict as table_verdict

NAMES: Final = {
    Metric.MACS: "MACs",
    Metric.PARAMS: "parameters",
    Metric.LATENCY: "latency",
    Metric.ENERGY: "energy",
    Metric.MEMORY: "activation memory",
    Metric.SIZE: "size on disk",
}
_OF_A_DEVICE: Final = (Metric.LATENCY, Metric.ENERGY)


def verdict(report: Report) -> str:
    """The outcome in one line, as in `0.50x the latency (measured), accuracy 98.2% (dense 98.7%)`."""
    limited = [b.metric for b in report.budgets] + ([report.floor.minimised] if report.floor else [])
    device_only = [m for m in limited if m in _OF_A_DEVICE]
    metrics = [*device_only, Metric.LATENCY, *limited, Metric.MACS]
    costs = [f"{r[0]:.2f}× the {NAMES[m]} ({r[1]}), " for m in metrics if (r := report.ratio(m))]
    after, before = (score_text(s.score, report.metric) for s in (report.result, report.dense))
    return f"{''.join(costs[:1])}{report.metric} {after} (dense {before})"


@dataclass(frozen=True, slots=True)
class GoalRow:
    """A budget or a floor in words, and whether it is kept (None: no number is known)."""

    kind: Literal["Budget", "Floor"]
    asked: str
    found: str
    kept: bool | None


def goal_rows(report: Report) -> list[GoalRow]:
    """All that was asked of the run."""
    here = [budget_row(report.check(budget)) for budget in report.budgets]
    return [*here, *floor_and_other_rows(report.floor, report.metric, report.also)]


def floor_and_other_rows(floor: FloorLine | None, metric: str, also: Sequence[OtherDevice]) -> list[GoalRow]:
    """What was asked for beside budgets on the first device: a floor, and budgets on other devices."""
    elsewhere = [budget_row(other.check(budget), other.device) for other in also for budget in other.budgets]
    return [*([floor_row(floor, metric)] if floor else []), *elsewhere]


def floor_row(floor: FloorLine, metric: str) -> GoalRow:
    """Whether the chosen network keeps the floor, and how surely."""
    relative = f" ({floor.asked})" if floor.asked.startswith("dense") else ""
    asked = f"{metric} at least {score_text(floor.least, metric)}{relative}, with the least {NAMES[floor.minimised]}"
    interval = f", 95% interval {interval_text(floor.score_ci95, metric)}" if floor.score_ci95 else ""
    low, high = (score_text(end, metric) for end in floor.difference_ci95)
    found = (
        f"{'kept' if floor.kept else 'not kept'}: {score_text(floor.score, metric)} on the selection split{interval}; "
        f"dense {score_text(floor.dense, metric)}, difference {low} to {high}"
    )
    return GoalRow("Floor", asked, found, floor.kept)


def budget_row(check: BudgetCheck, device: str = "") -> GoalRow:
    """Whether a budget is kept, on `device` where that is not the one at hand."""
    budget, value, source = check.budget, check.value, check.source
    share = f"{_number(budget.limit, 3, zeros=False)}× the dense network's"
    there = f" on {device}" if device and budget.metric in _OF_A_DEVICE else ""
    asked = f"{NAMES[budget.metric]}{there} at most {share if budget.relative else _absolute_text(budget)}"
    if value is None or source is None:
        return GoalRow("Budget", asked, "not known: nothing measured or predicted it", None)
    found = f"{_number(value, 3)}×" if budget.relative else amount_text(value, budget.metric)
    if value <= budget.limit:
        return GoalRow("Budget", asked, f"kept: {found}, {source}", True)
    over = _number(100 * (value / budget.limit - 1), 2)
    return GoalRow("Budget", asked, f"not kept: {found}, {source}, {over}% over", False)


def _absolute_text(budget: BudgetLine) -> str:
    return amount_text(budget.limit, budget.metric, zeros=False)


def is_share(metric: str) -> bool:
    """Whether the score of this name is a share of images, to be shown as a percentage."""
    return "accuracy" in metric.lower()


def score_text(score: float, metric: str) -> str:
    """A score as people read it: accuracies in percent."""
    return f"{100 * score:.1f}%" if is_share(metric) else f"{score:.4g}"


def interval_text(interval: tuple[float, float], metric: str) -> str:
    """An interval of scores: 90.1–92.6%."""
    low, high = (score_text(end, metric) for end in interval)
    return f"{low.rstrip('%')}–{high}"


def amount_text(value: float, metric: Metric, *, zeros: bool = True) -> str:
    """A cost with its unit, three significant digits or more; `zeros` keeps those at the end."""
    if metric in (Metric.LATENCY, Metric.ENERGY):
        return f"{_number(value, 3, zeros=zeros)} {'ms' if metric is Metric.LATENCY else 'mJ'}"
    suffix = "B" if metric in (Metric.MEMORY, Metric.SIZE) else ""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{_number(value / scale, 4, zeros=zeros)} {letter}{suffix}"
    return f"{value:.0f} {suffix}".rstrip()


def _number(value: float, significant: int, *, zeros: bool = True) -> str:
    exponent = math.floor(math.log10(value)) if value > 0 else 0
    text = f"{value:.{max(0, significant - 1 - exponent)}f}"
    return text if zeros or "." not in text else text.rstrip("0").rstrip(".")


def table_text(report: Report) -> str | None:
    """How far the table's predictions can be trusted, in one line; None where the run read no table."""
    table = report.table
    if table is None:
        return None
    if table.verification is None:
        return "its predictions have not been checked on unseen networks (autoprune tables verify does)"
    return table_verdict(table.verification)


def counted(count: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


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


@dataclass(frozen=True, slots=True)
class Cell:
    """A number, and smaller lines under it."""

    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of every network: its name, what kind of number it is, a cell a network."""

    name: str
    kind: str
    cells: tuple[Cell, ...]


def rows(report: Report) -> list[Row]:
    """Every quantity that is known of any network, before and after."""
    standings = [s for _, s in networks(report)]
    scores = Row(report.metric, _split_text(report), tuple(_score_cell(s, report.metric) for s in standings))
    return [scores, *cost_rows(standings, report.also)]


def cost_rows(networks: Sequence[CostLine], also: Sequence[OtherDevice] = (), device: str = "") -> list[Row]:
    """Every cost that is known of any of `networks`, the dense one first.

    `device` names the one that latency and energy are predicted for, where it is not the one at hand.
    """
    every = [
        _cost_row("MACs", "counted", Metric.MACS, [n.macs for n in networks]),
        _cost_row("parameters", "counted", Metric.PARAMS, [n.params for n in networks]),
        _cost_row("latency", _on("predicted", device), Metric.LATENCY, [n.latency_ms.predicted for n in networks]),
        _measured_row(networks),
        *_energy_rows(networks, device),
        _cost_row("activation memory", "counted", Metric.MEMORY, [n.peak_memory_bytes for n in networks]),
        _cost_row("size on disk", "measured", Metric.SIZE, [n.size_bytes for n in networks]),
        *(row for other in also for row in _rows_elsewhere(other, len(networks))),
    ]
    return [row for row in every if any(cell.text != _UNKNOWN for cell in row.cells)]


_UNKNOWN: Final = "–"


def _split_text(report: Report) -> str:
    return "test split, 95% interval" if report.dense.score_ci95 else "test split"


def _score_cell(standing: Standing, metric: str) -> Cell:
    if standing.score_ci95 is None:
        return Cell(score_text(standing.score, metric))
    return Cell(score_text(standing.score, metric), (interval_text(standing.score_ci95, metric),))


def _cost_row(name: str, kind: str, metric: Metric, values: Sequence[float | None]) -> Row:
    dense = values[0]
    cells = []
    for i, value in enumerate(values):
        ratio = (f"{value / dense:.2f}×",) if i and dense and value is not None else ()
        cells.append(Cell(_UNKNOWN if value is None else amount_text(value, metric), ratio))
    return Row(name, kind, tuple(cells))


def _on(kind: str, device: str) -> str:
    return f"{kind}, {device}" if device else kind


def _measured_row(networks: Sequence[CostLine]) -> Row:
    row = _cost_row("latency", "measured", Metric.LATENCY, [n.latency_ms.measured for n in networks])
    cells = []
    for cell, network in zip(row.cells, networks, strict=True):
        spread = network.latency_ms.spread
        notes = () if spread is None else (f"± {_number(spread, 2)} ms",)
        cells.append(Cell(cell.text, notes + cell.notes))
    return Row(row.name, row.kind, tuple(cells))


def _rows_elsewhere(other: OtherDevice, count: int) -> list[Row]:
    """What the table of another device predicts; fine-tuning changes none of it."""
    known = [other.dense, *[other.pruned] * (count - 1)]
    return [
        _cost_row("latency", _on("predicted", other.device), Metric.LATENCY, [one.latency_ms for one in known]),
        _cost_row("energy", _on("modelled", other.device), Metric.ENERGY, [one.energy_mj for one in known]),
    ]


def _energy_rows(networks: Sequence[CostLine], device: str) -> list[Row]:
    sources: tuple[Source, ...] = ("measured", "modelled")
    held = [n.energy_mj for n in networks]
    values = {source: [e.value if e and e.source == source else None for e in held] for source in sources}
    return [_cost_row("energy", _on(source, device), Metric.ENERGY, values[source]) for source in sources]
