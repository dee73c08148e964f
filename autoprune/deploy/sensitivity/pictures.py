"""The sensitivity analysis drawn: a panel a group, and all groups at equal MACs saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from autoprune.deploy.page.axes import shortened
from autoprune.deploy.page.drawing import CHOSEN, KEPT, MUTED, WIDE_IN, WIDTH_IN, house_style, svg_element
from autoprune.deploy.sensitivity.document import GroupLine, Sensitivity
from autoprune.deploy.sensitivity.words import divergence_text, share

_COLUMNS: Final = 6
_PANEL_IN: Final = 1.55  # height
_LEAST: Final = 1e-5  # nats: divergences below are drawn there
_ROW_IN: Final = 0.22


def panels(found: Sensitivity) -> str:
    """Divergence from the dense network against the share of channels kept: a panel a group, in network order.

    The logarithmic axis and the kept share are the same in all panels; a diamond marks where the
    common saving of MACs is reached.
    """
    rows = -(-len(found.groups) // _COLUMNS)
    with house_style():
        figure = Figure(figsize=(WIDE_IN, 0.6 + _PANEL_IN * rows), layout="constrained")
        grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, line in zip(grid, found.groups, strict=False):
            _draw_group(axes, line)
        for axes in grid[len(found.groups) :]:
            axes.set_axis_off()
        for axes in grid[max(0, len(found.groups) - _COLUMNS) : len(found.groups)]:  # the lowest of each column
            axes.tick_params(labelbottom=True)
        grid[0].set_yscale("log")
        grid[0].set_ylim(_LEAST * 0.7, 2 * max([_LEAST, *_divergences(found.groups)]))
        _plain_powers(grid[0].yaxis)
        grid[0].set_xlim(0, 1.02)
        grid[0].set_xticks([0, 0.5, 1], ["0", "½", "1"])
        figure.supxlabel("share of the group's channels kept", fontsize=11, color=MUTED)
        figure.supylabel("KL (nats)", fontsize=11, color=MUTED)
        described = f"Divergence of the outputs when each of {len(found.groups)} channel groups is cut alone"
        return svg_element(figure, "panels", described)


def _divergences(groups: Sequence[GroupLine]) -> list[float]:
    return [cut.kl for line in groups for cut in line.cuts if cut.kl is not None]


def _draw_group(axes: Axes, line: GroupLine) -> None:
    cuts = [(cut.width / line.width, max(cut.kl, _LEAST)) for cut in line.cuts if cut.kl is not None]
    if cuts:
        axes.plot(*zip(*cuts, strict=True), "o-", markersize=3.6, linewidth=1.4, color=KEPT)
    if line.equal is not None:
        axes.plot(line.equal.width / line.width, max(line.equal.kl, _LEAST), "D", markersize=5.5, color=CHOSEN)
    axes.set_title(shortened(line.group), fontsize=9, color=MUTED, loc="left", pad=3)


def _plain_powers(axis: Axis) -> None:
    """Ticks at powers of ten, as 0.01."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def equal(found: Sensitivity) -> str:
    """Divergence of every group at equal MACs saved, in network order, on a logarithmic axis; the largest is marked."""
    with house_style():
        figure = Figure(figsize=(WIDTH_IN, 0.9 + _ROW_IN * len(found.groups)), layout="constrained")
        axes = figure.add_subplot()
        worst = found.ranked[0].group if found.ranked else None
        for row, line in enumerate(found.groups):
            if line.equal is None:
                _say(axes, _LEAST / 2, row, "cannot save so much")
                continue
            kl, colour = max(line.equal.kl, _LEAST), CHOSEN if line.group == worst else KEPT
            axes.plot([_LEAST / 2, kl], [row, row], color=colour, linewidth=1.2)
            axes.plot(kl, row, "o", markersize=6, color=colour)
            _say(axes, kl, row, divergence_text(line.equal.kl))
        axes.set_xscale("log")
        axes.set_xlim(_LEAST / 2, 20 * max([_LEAST, *(line.equal.kl for line in found.ranked if line.equal)]))
        _plain_powers(axes.xaxis)
        axes.set_yticks(range(len(found.groups)), [shortened(line.group) for line in found.groups], fontsize=9)
        axes.set_ylim(len(found.groups) - 0.4, -0.6)
        axes.set_xlabel(f"KL from the dense network (nats), {share(found)} of the MACs saved")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        return svg_element(figure, "equal", f"Divergence of {len(found.ranked)} channel groups at equal MACs saved")


def _say(axes: Axes, x: float, row: int, text: str) -> None:
    """Words a little to the right of `x`."""
    axes.annotate(text, (x, row), (7, 0), textcoords="offset points", va="center", fontsize=8.5, color=MUTED)
