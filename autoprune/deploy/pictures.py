"""The report's pictures: inline SVG whose colours follow the page (light or dark), the same bytes every time."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autoprune.cost import Metric
from autoprune.deploy.summary import is_share
from autoprune.space import SearchSpace
from autoprune.trial import Trial

# matplotlib writes plain colours; each becomes a CSS variable of the page, with itself as the fallback.
INK: Final = "#1f2328"
MUTED: Final = "#59636e"
LINE: Final = "#d1d9e0"
DENSE: Final = "#c8d1da"
KEPT: Final = "#0969da"
TRIAL: Final = "#8c959f"
CHOSEN: Final = "#bc4c00"
LIMIT: Final = "#cf222e"
_VARIABLES: Final = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    DENSE: "--dense",
    KEPT: "--kept",
    TRIAL: "--trial",
    CHOSEN: "--chosen",
    LIMIT: "--limit",
}

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "autoprune",
    "text.parse_math": False,  # a layer may be called $x$
    "font.family": "DejaVu Sans",
    "font.size": 11.0,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.labelcolor": MUTED,
    "lines.markeredgewidth": 0.0,
    "lines.solid_joinstyle": "round",
}
_WIDTH_IN: Final = 6.6
_LONGEST_NAME: Final = 30


def channels(space: SearchSpace, policy: Mapping[str, int]) -> str:
    """Channels kept per group (bars) over the dense network's; `policy` gives the width of each group by name."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, 0.9 + 0.2 * len(space)), layout="constrained")
        axes = figure.add_subplot()
        rows = range(len(space))
        kept = [policy[g.name] for g in space.groups]
        dense = [g.width for g in space.groups]
        axes.barh(rows, dense, height=0.78, color=DENSE, label="dense")
        axes.barh(rows, kept, height=0.78, color=KEPT, label="kept")
        for row, (k, d) in enumerate(zip(kept, dense, strict=True)):
            axes.text(d + 0.01 * max(dense), row, f"{k} of {d}", va="center", fontsize=8.5, color=MUTED)
        axes.set_yticks(rows, [_shortened(g.name) for g in space.groups], fontsize=9)
        axes.set_ylim(len(space) - 0.4, -0.6)
        axes.set_xlim(0, max(dense) * 1.17)
        axes.set_xlabel("channels")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        return _svg(figure, "channels", f"Channels kept in each of {len(space)} channel groups, against the dense ones")


def history(trials: Sequence[Trial]) -> str:
    """Reward of every trial and the best so far; trials without a finite reward leave a gap."""
    rewards = [t.reward if math.isfinite(t.reward) else math.nan for t in trials]
    best = list(accumulate((-math.inf if math.isnan(r) else r for r in rewards), max))
    known = [b if math.isfinite(b) else math.nan for b in best]
    numbers = [t.number for t in trials]
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("trial", "reward")
        axes.plot(numbers, rewards, "o", markersize=3.6, color=TRIAL, label="a trial")
        axes.plot(numbers, known, drawstyle="steps-post", linewidth=1.8, color=KEPT, label="best so far")
        _legend(axes)
        return _svg(figure, "history", f"Reward of {len(trials)} trials and the best so far, {best[-1]:.4g} at the end")


def frontier(
    trials: Sequence[Trial],
    metric: Metric,
    score: str,
    *,
    chosen: Trial | None = None,
    dense: Trial | None = None,
    limit: float | None = None,
) -> str:
    """Validation score of every trial against its cost in `metric`; `limit` (the metric's unit) is a dashed line."""
    percent = is_share(score)
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes(AXIS[metric], f"validation {score}" + (" (%)" if percent else ""))

        def points(of: Sequence[Trial], marker: str, size: float, color: str, label: str) -> None:
            y = [t.quality.score * (100 if percent else 1) for t in of]
            axes.plot([_shown(t, metric) for t in of], y, marker, markersize=size, color=color, label=label)

        points(trials, "o", 3.6, TRIAL, "a trial")
        if dense is not None:
            points([dense], "s", 8, INK, "dense")
        if chosen is not None:
            points([chosen], "D", 8, CHOSEN, "chosen")
        if limit is not None:
            axes.axvline(limit / _PER[metric], color=LIMIT, linewidth=1.2, linestyle=(0, (4, 3)), label="budget")
        _legend(axes)
        return _svg(figure, "frontier", f"Validation {score} against {AXIS[metric]} of {len(trials)} trials")


AXIS: Final = {
    Metric.MACS: "MACs, counted (millions)",
    Metric.PARAMS: "parameters, counted (millions)",
    Metric.LATENCY: "latency, predicted (ms)",
    Metric.ENERGY: "energy, modelled (mJ)",
    Metric.MEMORY: "activation memory, counted (MB)",
}
_PER: Final = {Metric.MACS: 1e6, Metric.PARAMS: 1e6, Metric.LATENCY: 1.0, Metric.ENERGY: 1.0, Metric.MEMORY: 1e6}


def _shown(trial: Trial, metric: Metric) -> float:
    return trial.cost.of(metric) / _PER[metric]


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH_IN, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _legend(axes: Axes) -> None:
    """Above the plot, so that it never covers a point."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=10, handletextpad=0.4, columnspacing=1.4)


def _svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element for an HTML page; `name` is unique there and prefixes every id."""
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    svg = re.sub(r"(font: |font-family: )([\d.]+px )?'DejaVu Sans'[^;\"]*", r"\1\2system-ui, sans-serif", svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # its rule would hold for the whole page
    label = html.escape(description, quote=True)
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{label}">', svg, count=1)
