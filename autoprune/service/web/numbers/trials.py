"""What a search has found so far: the best until each trial, the front, and the network that leads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoprune.client.documents import TrialDocument
from autoprune.cost import Metric
from autoprune.front import non_dominated


@dataclass(frozen=True, slots=True)
class Series:
    """Points in the order in which they are joined: `xs` and `ys` of one length."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.xs)


def rewards(trials: Sequence[TrialDocument]) -> Series:
    """The reward of every trial that has one, by its place in the search, counted from 0."""
    known = [(float(place), trial.reward) for place, trial in enumerate(trials) if trial.reward is not None]
    return Series(tuple(x for x, _ in known), tuple(y for _, y in known))


def best_so_far(trials: Sequence[TrialDocument]) -> Series:
    """Where the best reward rose, and the last trial: the corners of a stair."""
    best, xs, ys = -math.inf, list[float](), list[float]()
    for place, trial in enumerate(trials):
        if trial.reward is not None and trial.reward > best:
            best = trial.reward
            xs.append(float(place))
            ys.append(best)
    if xs and xs[-1] < len(trials) - 1:
        xs.append(float(len(trials) - 1))
        ys.append(best)
    return Series(tuple(xs), tuple(ys))


def leading(trials: Sequence[TrialDocument]) -> TrialDocument | None:
    """The trial of the largest reward, the earlier of equals."""
    known = [trial for trial in trials if trial.reward is not None]
    return max(known, key=lambda trial: trial.reward or 0.0, default=None)


def metrics_of(trials: Sequence[TrialDocument]) -> list[Metric]:
    """The costs that are known of every trial, those of a device first."""
    first = [Metric.LATENCY, Metric.ENERGY, *Metric]
    return [metric for metric in dict.fromkeys(first) if trials and all(metric in trial.costs for trial in trials)]


@dataclass(frozen=True, slots=True)
class Trades:
    """Score against one cost: of all trials, and of the front, those that no other beats in both."""

    metric: Metric
    every: Series
    front: Series


def trades(trials: Sequence[TrialDocument], metric: Metric) -> Trades:
    """Of the trials with a score and this cost."""
    known = [(t.costs[metric], t.score) for t in trials if t.score is not None and metric in t.costs]
    if not known:
        return Trades(metric, Series((), ()), Series((), ()))
    values = np.array(known, dtype=np.float64)
    best = non_dominated(np.column_stack([values[:, 0], -values[:, 1]]))
    front = sorted(zip(values[best, 0].tolist(), values[best, 1].tolist(), strict=True))
    every = Series(tuple(values[:, 0].tolist()), tuple(values[:, 1].tolist()))
    return Trades(metric, every, Series(tuple(x for x, _ in front), tuple(y for _, y in front)))
