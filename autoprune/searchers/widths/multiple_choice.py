"""The multiple-choice knapsack: one option of every class, for the least damage that a capacity allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoprune.cost import FloatArray
from autoprune.searchers.widths.grid import Points


def best_choices(costs: Sequence[FloatArray], damages: Sequence[FloatArray], capacity: float, bins: int) -> Points:
    """The choices [n, classes] of least damage for capacities up to `capacity`, one a distinct choice.

    `costs` and `damages` hold one array a class, of one number an option. Dynamic programming over
    classes and capacities (Kellerer, Pferschy and Pisinger, Knapsack Problems, 2004: multiple choice),
    all capacities at once: these are `bins` equal parts of what `capacity` leaves above the cheapest
    options, and costs are rounded to them. So the result is exact for the rounded costs only; whoever
    asks judges the choices by the true ones.
    """
    extra = [cost - cost.min() for cost in costs]
    room = capacity - sum(float(cost.min()) for cost in costs)
    bins = bins if room > 0 else 0
    # An option that exceeds the room alone fits into no bin.
    parts = [_parts(cost, room, bins) for cost in extra]
    best, chosen = np.zeros(bins + 1), []
    bin_number = np.arange(bins + 1)
    for part, damage in zip(parts, damages, strict=True):
        left = bin_number - part[:, None]
        values = np.where(left >= 0, best[np.maximum(left, 0)], np.inf) + damage[:, None]
        chosen.append(values.argmin(axis=0))
        best = values[chosen[-1], bin_number]
    found = _traced_back(chosen, parts, bin_number)
    return np.asarray(found[np.append(True, (found[1:] != found[:-1]).any(axis=1))])


def _parts(extra: FloatArray, room: float, bins: int) -> Points:
    if not bins:
        return np.where(extra > 0, 1, 0)
    return np.minimum(np.rint(extra * (bins / room)), bins + 1).astype(np.int64)


def _traced_back(chosen: Sequence[Points], parts: Sequence[Points], left: Points) -> Points:
    """The choice [bins + 1, classes] behind the best value of every bin."""
    points = np.empty((len(left), len(chosen)), dtype=np.int64)
    for i in reversed(range(len(chosen))):
        points[:, i] = chosen[i][left]
        left = left - parts[i][points[:, i]]
    return points
