"""The pictures of the pages: a search, its trades, two of them, a table's stairs, how it compared with the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoprune.client.documents import TrialDocument
from autoprune.cost import Metric
from autoprune.deploy.page.axes import AXIS, PER
from autoprune.deploy.words.amounts import amount_text
from autoprune.profiler.table.stairs import Step
from autoprune.profiler.table.verification import Verification
from autoprune.service.web.drawing.plot import Colour, Plot
from autoprune.service.web.drawing.scale import Scale
from autoprune.service.web.numbers.foretelling import Foretold, Uniform
from autoprune.service.web.numbers.trials import Trades, best_so_far, rewards, trades
from autoprune.tables.words import verdict

_COLOURS: tuple[Colour, ...] = ("kept", "chosen")
_BAND = 0.05
_NARROW, _LOW = 330.0, 200.0


def history(trials: Sequence[TrialDocument]) -> str:
    """Reward of every trial, and the best so far."""
    every, best = rewards(trials), best_so_far(trials)
    plot = Plot(Scale.of([0, *every.xs]), Scale.of(every.ys), "trial", "reward")
    plot.points(every.xs, every.ys, "trial", "a trial", 4)
    plot.stairs(best.xs, best.ys, "kept", "best so far")
    told = f", {best.ys[-1]:.4g} at the end" if best.ys else ""
    return plot.svg(f"Reward of {len(trials)} trials and the best so far{told}")


def histories(searches: Mapping[str, Sequence[TrialDocument]]) -> str:
    """The best so far of two searches, by the jobs' names."""
    lines = {name: best_so_far(trials) for name, trials in searches.items()}
    xs = [x for line in lines.values() for x in line.xs]
    plot = Plot(Scale.of([0, *xs]), Scale.of([y for line in lines.values() for y in line.ys]), "trial", "best reward")
    for (name, line), colour in zip(lines.items(), _COLOURS, strict=False):
        plot.stairs(line.xs, line.ys, colour, name)
    return plot.svg(f"Best reward so far of {' and '.join(lines)}")


def front(found: Trades, metric_name: str = "score") -> str:
    """Score against cost of all trials, those on the front joined."""
    plot = _trading(found.metric, [found], metric_name)
    per = PER[found.metric]
    plot.points([x / per for x in found.every.xs], found.every.ys, "trial", "a trial", 4)
    plot.stairs([x / per for x in found.front.xs], found.front.ys, "kept", "the front")
    _name_front(plot, found, "kept")
    return plot.svg(f"{metric_name} against {AXIS[found.metric]}, {len(found.front)} trials on the front")


def fronts(searches: Mapping[str, Sequence[TrialDocument]], metric: Metric) -> str:
    """The fronts of two searches, by the jobs' names."""
    found = {name: trades(trials, metric) for name, trials in searches.items()}
    plot = _trading(metric, list(found.values()), "score")
    for (name, one), colour in zip(found.items(), _COLOURS, strict=False):
        plot.stairs([x / PER[metric] for x in one.front.xs], one.front.ys, colour, name)
        _name_front(plot, one, colour)
    return plot.svg(f"Score against {AXIS[metric]}: the fronts of {' and '.join(found)}")


def _trading(metric: Metric, found: Sequence[Trades], up: str) -> Plot:
    xs = [x / PER[metric] for one in found for x in one.every.xs]
    return Plot(Scale.of(xs), Scale.of([y for one in found for y in one.every.ys]), AXIS[metric], f"validation {up}")


def _name_front(plot: Plot, found: Trades, colour: Colour) -> None:
    for cost, score in zip(found.front.xs, found.front.ys, strict=True):
        plot.named(cost / PER[found.metric], score, colour, f"{score:.4g} at {amount_text(cost, found.metric)}")


def stairs(steps: Sequence[Step], group: str) -> str:
    """Time against width of a channel group; the times of `steps` are known."""
    widths, times = [float(step.width) for step in steps], [step.ms for step in steps]
    worth = [step for step in steps if step.worth_offering]
    plot = Plot(Scale.of(widths, zero=True), Scale.of(times, ticks=4, zero=True), "channels kept", "ms", _NARROW, _LOW)
    plot.line(widths, times, "dense", width=1.2)
    plot.points(widths, times, "trial", "not worth it", 5)
    plot.points([float(s.width) for s in worth], [s.ms for s in worth], "kept", "worth offering", 6)
    return plot.svg(f"Time of {group} at {len(steps)} widths, {len(worth)} of them worth offering")


def fidelity(found: Verification) -> str:
    """Predicted against measured latency of every network that was checked."""
    measured, predicted = [row.measured_ms for row in found.rows], [row.predicted_ms for row in found.rows]
    axis = Scale.of([*measured, *predicted])
    low, high = ends = [axis.low, axis.high]
    plot = Plot(axis, axis, "latency, measured (ms)", "predicted (ms)", height=380)
    more, less = 1 + _BAND, 1 - _BAND
    plot.area([low, high / more, high, high, low], [low * more, high, high, high * less, low * less], "within 5%")
    plot.line(ends, ends, "muted", "equal", 1)
    close = [row for row in found.rows if abs(row.error) <= _BAND]
    apart = [row for row in found.rows if abs(row.error) > _BAND]
    plot.points([r.measured_ms for r in close], [r.predicted_ms for r in close], "kept", "a network", 6)
    plot.points([r.measured_ms for r in apart], [r.predicted_ms for r in apart], "chosen", "more than 5% off", 6)
    return plot.svg(f"Predicted against measured latency: {verdict(found)}")


def foretold(networks: Sequence[Uniform], found: Foretold) -> str:
    """What uniform widths cost by the table, and where the budget lies."""
    per = PER[found.metric]
    known = [network for network in networks if found.metric in network.costs]
    shares, costs = [100 * n.kept for n in known], [n.costs[found.metric] / per for n in known]
    across, up = Scale.of(shares, zero=True), Scale.of(costs, ticks=4, zero=True)
    plot = Plot(across, up, "channels kept in every layer (%)", AXIS[found.metric])
    plot.line(shares, costs, "kept", "uniform widths")
    plot.level(found.limit / per, "budget")
    if found.kept_by is not None:
        cost = found.kept_by.costs[found.metric]
        plot.named(100 * found.kept_by.kept, cost / per, "chosen", amount_text(cost, found.metric))
    return plot.svg(f"Cost of uniform widths, and the budget of {amount_text(found.limit, found.metric)}")
