"""Scores of many networks drawn side by side: a row a network, a dot a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.figure import Figure

from autoprune.deploy.page.drawing import LINE, MUTED, WIDE_IN, house_style, legend, svg_element
from autoprune.deploy.words.amounts import is_share

_ROW_IN: Final = 0.27


@dataclass(frozen=True, slots=True)
class Dots:
    """One dot a row: its score, None where the row has none; `label` says what they have in common."""

    label: str
    colour: str
    scores: Sequence[float | None]


def rows_of_dots(name: str, told: str, rows: Sequence[str], dots: Sequence[Dots], dense: float, metric: str) -> str:
    """An SVG element: the `rows` from top to bottom, and the dense network's score as a line; `told` is its label."""
    factor, unit = (100.0, " (%)") if is_share(metric) else (1.0, "")
    with house_style():
        figure = Figure(figsize=(WIDE_IN, 1.1 + _ROW_IN * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(factor * dense, color=MUTED, linewidth=1.0)
        for place in range(len(rows)):
            axes.axhline(place, color=LINE, linewidth=0.6, zorder=0)
        for one in dots:
            known = [(factor * score, place) for place, score in enumerate(one.scores) if score is not None]
            axes.plot(*zip(*known, strict=True), "o", markersize=7, color=one.colour, label=one.label)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"{metric} on the test split{unit}; the line is the dense network's")
        legend(axes)
        return svg_element(figure, name, told)
