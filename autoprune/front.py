"""The front: trials that no other trial beats in reward and in every cost that matters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import FloatArray, Metric
from autoprune.trial import Trial


def front(trials: Sequence[Trial], costs: Sequence[Metric]) -> list[Trial]:
    """The trials that no other dominates, by ascending cost, the first of equal ones.

    One dominates another if its reward is no smaller and none of its `costs` larger, and they are
    not all equal. Trials without a finite reward are on no front.
    """
    first = list({trial.policy: trial for trial in reversed(trials) if math.isfinite(trial.reward)}.values())[::-1]
    losses = np.array([[-t.reward, *(t.cost.of(metric) for metric in costs)] for t in first])
    kept = [trial for trial, best in zip(first, non_dominated(losses), strict=True) if best]
    return sorted(kept, key=lambda t: ([t.cost.of(metric) for metric in costs], -t.reward))


def non_dominated(losses: FloatArray) -> NDArray[np.bool_]:
    """Which rows of `losses` [n, k] (less is better) no other row dominates: bool [n]; of equal rows the first."""
    best = np.ones(len(losses), dtype=bool)
    for row, own in enumerate(losses):
        no_worse = (losses <= own).all(axis=1)
        beats = no_worse & (losses < own).any(axis=1)
        equal_before = no_worse[:row] & ~beats[:row]
        best[row] = not (beats.any() or equal_before.any())
    return best
