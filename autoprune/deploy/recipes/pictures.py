"""The comparison of recipes drawn: where each network stands before and after recovery."""

from __future__ import annotations

from typing import Final

from matplotlib.figure import Figure

from autoprune.deploy.page.drawing import KEPT, LINE, MUTED, TRIAL, WIDE_IN, house_style, legend, svg_element
from autoprune.deploy.recipes.document import RecipesComparison
from autoprune.deploy.words.amounts import is_share

_ROW_IN: Final = 0.27


def recoveries(found: RecipesComparison) -> str:
    """A row a recipe, best first: its test score before and after recovery; the dense network's is a line."""
    factor = 100.0 if is_share(found.metric) else 1.0
    places = range(len(found.lines))
    before = [factor * line.before.test for _, line in found.lines]
    after = [factor * line.after.test for _, line in found.lines]
    with house_style():
        figure = Figure(figsize=(WIDE_IN, 1.1 + _ROW_IN * len(found.lines)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(factor * found.dense.test, color=MUTED, linewidth=1.0)
        axes.hlines(places, before, after, color=LINE, linewidth=2.0, zorder=0)
        axes.plot(before, places, "o", markersize=7, color=TRIAL, label="before recovery")
        axes.plot(after, places, "o", markersize=7, color=KEPT, label="after")
        axes.set_yticks(places, [row.recipe for row, _ in found.lines])
        axes.set_ylim(len(found.lines) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        unit = " (%)" if is_share(found.metric) else ""
        axes.set_xlabel(f"{found.metric} on the test split{unit}; the line is the dense network's")
        legend(axes)
        return svg_element(figure, "recoveries", f"Scores of {len(found.lines)} recipes before and after recovery")
