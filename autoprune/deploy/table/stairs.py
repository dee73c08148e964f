"""The stairs of a channel group: what each of its widths takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autoprune.deploy.page.drawing import (
    CHOSEN,
    DENSE,
    KEPT,
    TRIAL,
    axes_of,
    house_style,
    legend,
    write_figure,
)
from autoprune.profiler.table.network_profile import NetworkProfile
from autoprune.profiler.table.stairs import Step
from autoprune.tables.words import percent, shape_text


def write_stairs(network: NetworkProfile, group: str, steps: Sequence[Step], path: Path) -> None:
    """Time against width of the channel group `group`, as a file; `path` ends with .svg or .png.

    Raises `BadInput` for another ending, or where the file cannot be written.
    """
    with house_style():
        write_figure(_stairs(network, group, steps), path)


def _stairs(network: NetworkProfile, group: str, steps: Sequence[Step]) -> Figure:
    known = [step for step in steps if math.isfinite(step.ms)]
    figure, axes = axes_of(
        f"channels kept in {group} ({network.name} at {shape_text(network.input_shape)})",
        "time of the kernels that depend on it (ms)",
    )
    axes.plot([s.width for s in known], [s.ms for s in known], color=DENSE, linewidth=1.2, zorder=1)
    for worth, marker, colour, label in ((False, "o", TRIAL, "not worth it"), (True, "D", KEPT, "worth offering")):
        some = [step for step in known if step.worth_offering is worth]
        if some:
            axes.errorbar(
                [step.width for step in some],
                [step.ms for step in some],
                yerr=[2 * step.error_ms for step in some],
                fmt=marker,
                markersize=5,
                color=colour,
                elinewidth=1.0,
                label=label,
            )
    between = [step for step in known if step.interpolated]
    if between:
        share = percent(max(step.interpolated for step in between))
        axes.plot(
            [step.width for step in between],
            [step.ms for step in between],
            "o",
            markersize=10,
            markeredgewidth=1.0,
            markeredgecolor=CHOSEN,
            markerfacecolor="none",
            label=f"up to {share} interpolated",
        )
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if known:
        legend(axes)
    return figure
