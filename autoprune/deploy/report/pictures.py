"""The report's pictures: inline SVG whose colours follow the page (light or dark), the same bytes every time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autoprune.cost import Metric
from autoprune.deploy.page.axes import AXIS, PER, shortened
from autoprune.deploy.page.drawing import (
    CHOSEN,
    DENSE,
    INK,
    KEPT,
    LIMIT,
    MUTED,
    TRIAL,
    WIDTH_IN,
    axes_of,
    house_style,
    legend,
    svg_element,
)
from autoprune.deploy.words.amounts import is_share
from autoprune.space import SearchSpace
from autoprune.trial import Trial


def channels(space: SearchSpace, policy: Mapping[str, int]) -> str:
    """Channels kept per group (bars) over the dense network's; `policy` gives the width of each group by name."""
    with house_style():
        figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.2 * len(space)), layout="constrained")
        axes = figure.add_subplot()
        rows = range(len(space))
        kept = [policy[g.name] for g in space.groups]
        dense = [g.width for g in space.groups]
        axes.barh(rows, dense, height=0.78, color=DENSE, label="dense")
        axes.barh(rows, kept, height=0.78, color=KEPT, label="kept")
        for row, (k, d) in enumerate(zip(kept, dense, strict=True)):
            axes.text(d + 0.01 * max(dense), row, f"{k} of {d}", va="center", fontsize=8.5, color=MUTED)
        axes.set_yticks(rows, [shortened(g.name) for g in space.groups], fontsize=9)
        axes.set_ylim(len(space) - 0.4, -0.6)
        axes.set_xlim(0, max(dense) * 1.17)
        axes.set_xlabel("channels")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        return svg_element(
            figure, "channels", f"Channels kept in each of {len(space)} channel groups, against the dense ones"
        )


def history(trials: Sequence[Trial]) -> str:
    """Reward of every trial and the best so far; trials without a finite reward leave a gap."""
    rewards = [t.reward if math.isfinite(t.reward) else math.nan for t in trials]
    best = list(accumulate((-math.inf if math.isnan(r) else r for r in rewards), max))
    known = [b if math.isfinite(b) else math.nan for b in best]
    numbers = [t.number for t in trials]
    with house_style():
        figure, axes = axes_of("trial", "reward")
        axes.plot(numbers, rewards, "o", markersize=3.6, color=TRIAL, label="a trial")
        axes.plot(numbers, known, drawstyle="steps-post", linewidth=1.8, color=KEPT, label="best so far")
        legend(axes)
        return svg_element(
            figure, "history", f"Reward of {len(trials)} trials and the best so far, {best[-1]:.4g} at the end"
        )


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
    with house_style():
        figure, axes = axes_of(AXIS[metric], f"validation {score}" + (" (%)" if percent else ""))

        def points(of: Sequence[Trial], marker: str, size: float, color: str, label: str) -> None:
            y = [t.quality.score * (100 if percent else 1) for t in of]
            axes.plot([_shown(t, metric) for t in of], y, marker, markersize=size, color=color, label=label)

        points(trials, "o", 3.6, TRIAL, "a trial")
        if dense is not None:
            points([dense], "s", 8, INK, "dense")
        if chosen is not None:
            points([chosen], "D", 8, CHOSEN, "chosen")
        if limit is not None:
            axes.axvline(limit / PER[metric], color=LIMIT, linewidth=1.2, linestyle=(0, (4, 3)), label="budget")
        legend(axes)
        return svg_element(figure, "frontier", f"Validation {score} against {AXIS[metric]} of {len(trials)} trials")


def _shown(trial: Trial, metric: Metric) -> float:
    return trial.cost.of(metric) / PER[metric]
