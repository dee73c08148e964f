"""The picture of a front: score against each cost it trades."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autoprune.cost import Metric
from autoprune.deploy.front.document import FrontFile, Point
from autoprune.deploy.page.axes import AXIS, PER
from autoprune.deploy.page.drawing import CHOSEN, INK, KEPT, TRIAL, WIDTH_IN, house_style, legend, svg_element
from autoprune.deploy.words.amounts import is_share


def front_picture(found: FrontFile) -> str:
    """Score against cost, one plot under another for each traded cost: refitted networks, and what the search saw.

    Where one cost is traded, a line joins the networks that no other beats.
    """
    with house_style():
        figure = Figure(figsize=(WIDTH_IN, 0.6 + 3.6 * len(found.traded)), layout="constrained")
        plots = figure.subplots(len(found.traded), squeeze=False)[:, 0]
        for axes, metric in zip(plots, found.traded, strict=True):
            _draw(axes, found, metric)
            axes.set_xlabel(AXIS[metric])
            axes.set_ylabel(found.metric + (" (%)" if is_share(found.metric) else ""))
        legend(plots[0])
        return svg_element(figure, "front", f"{found.metric} against {' and '.join(AXIS[m] for m in found.traded)}")


def _draw(axes: Axes, found: FrontFile, metric: Metric) -> None:
    per_cent = 100 if is_share(found.metric) else 1

    def points(of: Sequence[Point], refitted: bool, style: str, colour: str, label: str) -> None:
        scores = [(p.selection if refitted else p.validation) or 0.0 for p in of]
        x, y = [p.costs[metric] / PER[metric] for p in of], [per_cent * score for score in scores]
        axes.plot(x, y, style, markersize=5, linewidth=1.6, color=colour, label=label)

    best = [p for p in found.refitted if p.best]
    beaten = [p for p in found.refitted if not p.best]
    points(found.points, False, "o", TRIAL, "in the search")
    points(best, True, "-o" if len(found.traded) == 1 else "o", KEPT, "refitted")
    if beaten:
        points(beaten, True, "D", CHOSEN, "beaten")
    points([found.dense], True, "s", INK, "dense")
