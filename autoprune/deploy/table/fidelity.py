"""A latency table's fidelity: what it predicts, against the clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from autoprune.deploy.page.drawing import (
    CHOSEN,
    DENSE,
    KEPT,
    MUTED,
    TRIAL,
    WIDTH_IN,
    house_style,
    legend,
    svg_element,
)
from autoprune.profiler.table.verification import Verification, VerifiedNetwork
from autoprune.tables.words import verdict

_BAND: Final = 0.05
_MARGIN: Final = 0.1  # of the shortest and the longest time, left free beyond them
_LOGARITHMIC: Final = 4.0  # longest over shortest time, from which on the axes are logarithmic


def fidelity(found: Verification) -> str:
    """Predicted against measured latency in ms of every network that was checked: a scatter plot for a page.

    The line is where both are equal, the band ±5% around it; a whisker joins the two measurements
    of a network. Below it the same networks with their errors in percent.
    """
    with house_style():
        figure = Figure(figsize=(WIDTH_IN, 5.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _draw_times(above, found.rows)
        _draw_errors(below, found.rows)
        legend(above)
        return svg_element(figure, "fidelity", f"Predicted against measured latency: {verdict(found)}")


def _draw_times(axes: Axes, rows: Sequence[VerifiedNetwork]) -> None:
    low, high = _limits(rows)
    ends = np.array([low, high])
    axes.fill_between(
        ends, ends * (1 - _BAND), ends * (1 + _BAND), color=DENSE, alpha=0.5, linewidth=0, label="within 5%"
    )
    axes.plot(ends, ends, color=MUTED, linewidth=1.0, label="equal")
    for row in rows:
        axes.plot([row.first_ms, row.second_ms], [row.predicted_ms] * 2, color=TRIAL, linewidth=1.0)
    _draw_networks(axes, rows, [row.predicted_ms for row in rows])
    axes.set_ylabel("predicted (ms)")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    if low and high / low >= _LOGARITHMIC:
        _make_logarithmic(axes)


def _draw_errors(axes: Axes, rows: Sequence[VerifiedNetwork]) -> None:
    most = max([2 * _BAND, *(1.2 * abs(row.error) for row in rows)])
    axes.axhspan(-100 * _BAND, 100 * _BAND, color=DENSE, alpha=0.5, linewidth=0)
    axes.axhline(0, color=MUTED, linewidth=1.0)
    _draw_networks(axes, rows, [100 * row.error for row in rows])
    axes.set_ylim(-100 * most, 100 * most)
    axes.set_ylabel("error (%)")
    axes.set_xlabel("latency, measured (ms)")


def _draw_networks(axes: Axes, rows: Sequence[VerifiedNetwork], heights: Sequence[float]) -> None:
    """A point a network at its measured time, marked where its error is beyond the band."""
    placed = list(zip(rows, heights, strict=True))
    close = [(row.measured_ms, height) for row, height in placed if abs(row.error) <= _BAND]
    apart = [(row.measured_ms, height) for row, height in placed if abs(row.error) > _BAND]
    for points, marker, colour, label in ((close, "o", KEPT, "a network"), (apart, "D", CHOSEN, "more than 5% off")):
        if points:
            axes.plot(*zip(*points, strict=True), marker, markersize=5, color=colour, label=label)


def _limits(rows: Sequence[VerifiedNetwork]) -> tuple[float, float]:
    """The range of both axes, in ms."""
    times = [ms for row in rows for ms in (row.predicted_ms, row.measured_ms, row.first_ms, row.second_ms)] or [0, 1]
    return max(0.0, min(times)) * (1 - _MARGIN), max(times) * (1 + _MARGIN)


def _make_logarithmic(axes: Axes) -> None:
    """Where times differ much: 5% of a small network is as wide as 5% of a large one."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):  # an x axis that is shared has its ticks shared too
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
        axis.set_minor_locator(NullLocator())
