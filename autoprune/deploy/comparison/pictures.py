"""The comparison's pictures: a panel an agent with its best-so-far curves, and the differences from random."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from autoprune.deploy.comparison.document import BASELINE, AgentLine, Comparison, Outcome
from autoprune.deploy.comparison.words import Scale, scale_of, selection_scale
from autoprune.deploy.page.drawing import CHOSEN, KEPT, LINE, MUTED, TRIAL, WIDE_IN, axes_of, house_style, svg_element

_COLUMNS: Final = 4
_PANEL_IN: Final = 2.3  # height
_WARM_UP: Final = 0.1  # of the trials, whose rewards may lie below the frame
_MARGIN: Final = 0.08


def curves(found: Comparison) -> str:
    """Best reward so far against evaluations: a panel an agent, best first, with `random` in each to compare with.

    Lines are means over the seeds, bands go from the lowest seed to the highest. All panels share
    their axes; what agents had after the first tenth of the trials is the least that is surely in the frame.
    """
    scale = scale_of(found)
    drawn = {agent.agent: _curve(agent, scale) for agent in found.agents}
    rows = -(-len(drawn) // _COLUMNS)
    with house_style():
        figure = Figure(figsize=(WIDE_IN, 0.5 + _PANEL_IN * rows), layout="constrained")
        panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, agent in zip(panels, found.agents, strict=False):
            _draw_curve(axes, agent, drawn, scale)
        for axes in panels[len(drawn) :]:
            axes.set_axis_off()
        for axes in panels[max(0, len(drawn) - _COLUMNS) : len(drawn)]:  # the lowest of each column
            axes.tick_params(labelbottom=True)
        panels[0].set_ylim(*_frame(drawn))
        panels[0].set_xlim(1, max(found.trials, 2))
        panels[0].xaxis.set_major_locator(MaxNLocator(4, integer=True))
        figure.supxlabel("trial", fontsize=11, color=MUTED)
        figure.supylabel(_axis(found.reward, scale), fontsize=11, color=MUTED)
        described = f"Best reward so far of {len(drawn)} agents over {found.trials} trials and {len(found.seeds)} seeds"
        return svg_element(figure, "curves", described)


def _curve(agent: AgentLine, scale: Scale) -> NDArray[np.float64]:
    """Best so far [seeds, trials] in the unit that is drawn; NaN while there is none."""
    factor = 100.0 if scale.is_share else 1.0
    return np.array([[math.nan if x is None else factor * x for x in one] for one in agent.curve])


def _draw_curve(axes: Axes, agent: AgentLine, drawn: dict[str, NDArray[np.float64]], scale: Scale) -> None:
    own, numbers = drawn[agent.agent], np.arange(1, drawn[agent.agent].shape[1] + 1)
    if agent.agent != BASELINE and BASELINE in drawn:
        axes.plot(numbers, drawn[BASELINE].mean(axis=0), color=TRIAL, linewidth=1.4, drawstyle="steps-post")
    axes.fill_between(numbers, own.min(axis=0), own.max(axis=0), step="post", color=KEPT, alpha=0.22, linewidth=0)
    axes.plot(numbers, own.mean(axis=0), color=KEPT, linewidth=1.8, drawstyle="steps-post")
    axes.set_title(f"{agent.agent}  {scale.value(agent.reward.mean)}", fontsize=11, color=MUTED, loc="left")


def _frame(drawn: dict[str, NDArray[np.float64]]) -> tuple[float, float]:
    """Limits of the rewards' axis."""
    warm = min(math.ceil(_WARM_UP * own.shape[1]) for own in drawn.values())
    settled = np.concatenate([own[:, warm:].ravel() for own in drawn.values()])
    ends = np.concatenate([own[:, -1] for own in drawn.values()])
    known = np.concatenate([settled[np.isfinite(settled)], ends])
    room = _MARGIN * (np.ptp(known) or abs(known[0]) or 1.0)
    return float(known.min() - room), float(known.max() + room)


def differences(found: Comparison) -> str:
    """How far every agent's best reward lies from random's: a dot a seed, the mean, and its 95% interval."""
    told = {agent.agent: agent.reward for agent in found.agents}
    label = f"{_axis(found.reward, scale_of(found))}, minus random's"
    return _forest(told, scale_of(found), label, "differences")


def selection_differences(found: Comparison) -> str:
    """The same of the refitted networks' scores on the selection split."""
    told = {agent.agent: agent.selection for agent in found.agents if agent.selection}
    scale = selection_scale(found)
    return _forest(told, scale, f"{_axis(found.metric, scale)}, minus random's", "selection-differences")


def _forest(told: dict[str, Outcome], scale: Scale, label: str, name: str) -> str:
    factor = 100.0 if scale.is_share else 1.0
    random = np.array(told[BASELINE].values)
    others = [(agent, outcome) for agent, outcome in told.items() if agent != BASELINE]
    with house_style():
        figure, axes = axes_of(label, "")
        figure.set_figheight(1.2 + 0.36 * len(others))
        axes.axvline(0, color=MUTED, linewidth=1.0)
        for row, (_, outcome) in enumerate(others):
            _draw_difference(axes, row, outcome, factor * (np.array(outcome.values) - random), factor)
        axes.set_yticks(range(len(others)), [agent for agent, _ in others])
        axes.set_ylim(len(others) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        significant = sum(o.against_random is not None and o.against_random.significant for _, o in others)
        described = f"Differences from random: {significant} of {len(others)} agents can be told from it"
        return svg_element(figure, name, described)


def _draw_difference(axes: Axes, row: int, outcome: Outcome, each: NDArray[np.float64], factor: float) -> None:
    difference = outcome.against_random
    assert difference is not None
    colour = CHOSEN if difference.significant else KEPT
    axes.axhline(row, color=LINE, linewidth=0.6, zorder=0)
    axes.plot(each, np.full(len(each), row), "o", markersize=4, color=TRIAL)
    if difference.ci95 is not None:
        axes.plot([factor * x for x in difference.ci95], [row, row], color=colour, linewidth=2.2)
    axes.plot(factor * difference.mean, row, "D", markersize=7, color=colour)


def _axis(name: str, scale: Scale) -> str:
    return f"{name} (%)" if scale.is_share else f"{name} ({scale.unit})" if scale.unit else name
