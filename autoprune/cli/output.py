"""What a command answers on stdout: one JSON document, or tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from autoprune.deploy.report.document import Report
    from autoprune.deploy.words.cells import Cell, Row
    from autoprune.deploy.words.goals import GoalRow

_PIPE_WIDTH = 160


def show_json(document: Any) -> None:
    """Print `document` (plain JSON values) as one JSON document."""
    sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")


def show_values(values: Mapping[str, Any]) -> None:
    """Print names and values, one a line; what is not known is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in values.items():
        if value is not None:
            table.add_row(escape(key), escape(_plain(value)))
    console().print(table)


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_plain(cell)) for cell in row))
    console().print(table)


def show_report(report: Report, page: Path) -> None:
    """Print a run's outcome: the verdict, each budget, before and after, and where the page lies."""
    from autoprune.deploy.report.words import generalisation_text, goal_rows, networks, rows, table_text, verdict

    out = console()
    out.print(f"[bold]{escape(verdict(report))}[/]")
    show_goals(goal_rows(report))
    show_networks([name for name, _ in networks(report)], rows(report))
    if text := generalisation_text(report):
        out.print(f"scores: {text}", soft_wrap=True)
    if report.table is not None:
        out.print(f"table: {escape(report.table.path)}: {table_text(report)}", soft_wrap=True)
    out.print(f"report: {escape(str(page))}", soft_wrap=True)


def show_networks(names: Iterable[str], rows: Iterable[Row]) -> None:
    """Print every quantity of several networks, side by side."""
    from autoprune.deploy.words.cells import Cell

    console().print(cell_table(map(Cell, names), [(Cell(row.name, (row.kind,)), row.cells) for row in rows]))


def show_findings(
    headline: str,
    columns: Iterable[Cell],
    rows: Iterable[tuple[Cell, Iterable[Cell]]],
    conclusions: Iterable[str],
    page: Path,
) -> None:
    """Print one line, a table, what can be concluded from it, and where the page lies."""
    out = console()
    out.print(headline, style="bold", soft_wrap=True, markup=False)
    out.print(cell_table(columns, rows))
    for sentence in conclusions:
        out.print(sentence, soft_wrap=True, markup=False)
    out.print(f"page: {page}", soft_wrap=True, markup=False)


def cell_table(columns: Iterable[Cell], rows: Iterable[tuple[Cell, Iterable[Cell]]]) -> Table:
    """A table whose cells may have smaller lines under them; each of `rows` begins with its name."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 4, 0, 0))
    table.add_column("")
    for column in columns:
        table.add_column(_lines(column), justify="right", no_wrap=True)
    for name, cells in rows:
        table.add_row(_lines(name), *map(_lines, cells))
    return table


def _lines(cell: Cell) -> str:
    return "\n".join((escape(cell.text), *(f"[dim]{escape(note)}[/]" for note in cell.notes)))


def show_goals(goals: Iterable[GoalRow]) -> None:
    """Print each budget and floor, and whether it is kept."""
    for goal in goals:
        colour = {True: "green", False: "red", None: "yellow"}[goal.kept]
        console().print(f"{goal.kind.lower()}: {escape(goal.asked)}: [{colour}]{escape(goal.found)}[/]")


def console() -> Console:
    """For stdout; a file or a pipe has no width, so lines may be long there."""
    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
