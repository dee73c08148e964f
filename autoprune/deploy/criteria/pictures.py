"""The comparison of criteria drawn: where each stands before and after recovery."""

from __future__ import annotations

from typing import Final

from matplotlib.figure import Figure

from autoprune.deploy.criteria.document import CriteriaComparison
from autoprune.deploy.criteria.words import STAGE_WORDS
from autoprune.deploy.page.drawing import (
    CHOSEN,
    INK,
    KEPT,
    LINE,
    MUTED,
    TRIAL,
    WIDE_IN,
    house_style,
    legend,
    svg_element,
)
from autoprune.deploy.words.amounts import is_share

_ROW_IN: Final = 0.27
_COLOURS: Final = {"sliced": TRIAL, "refitted": KEPT, "reconstructed": CHOSEN, "finetuned": INK}


def stages(found: CriteriaComparison) -> str:
    """A row a criterion, best first, and in it the test score after every stage; the dense network's is a line."""
    factor = 100.0 if is_share(found.metric) else 1.0
    with house_style():
        figure = Figure(figsize=(WIDE_IN, 1.1 + _ROW_IN * len(found.lines)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(factor * found.dense.test, color=MUTED, linewidth=1.0)
        for row in range(len(found.lines)):
            axes.axhline(row, color=LINE, linewidth=0.6, zorder=0)
        for stage in found.stages:
            told = [(line.mean(stage, "test"), row) for row, line in enumerate(found.lines)]
            known = [(factor * score, row) for score, row in told if score is not None]
            axes.plot(*zip(*known, strict=True), "o", markersize=7, color=_COLOURS[stage], label=STAGE_WORDS[stage])
        axes.set_yticks(range(len(found.lines)), [line.criterion for line in found.lines])
        axes.set_ylim(len(found.lines) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(
            f"{found.metric} on the test split{' (%)' if factor == 100 else ''}; the line is the dense network's"
        )
        legend(axes)
        return svg_element(figure, "stages", f"Scores of {len(found.lines)} criteria before and after recovery")
