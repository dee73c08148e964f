"""Which cuts are worth their memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from autoprune.evaluation.prefixes.resuming import Cut

_DIFFERENCES = 3  # places where networks differ: policies that keep a budget give, take, and fill what is left


def thinned(cuts: Sequence[Cut], images: int, room: int) -> tuple[Cut, ...]:
    """Those of a network's `cuts`, in order, that spare most where what it makes there of `images` gets `room` bytes.

    Another network is taken to differ in a few places, anywhere in proportion to the work, and to be
    spared what comes before the last cut until the first of them; only for a share of the images, where
    there is room for no more. Cuts are left out one by one as long as that spares more.
    """
    chosen = tuple(cuts)
    while len(chosen) > 1:
        fewer = max((chosen[:i] + chosen[i + 1 :] for i in range(len(chosen))), key=lambda c: _spared(c, images, room))
        if _spared(fewer, images, room) <= _spared(chosen, images, room):
            break
        chosen = fewer
    return chosen


def _spared(cuts: Sequence[Cut], images: int, room: int) -> float:
    """The share of the work that another network is expected to be spared."""
    kept = min(1.0, room / (images * sum(cut.bytes for cut in cuts)))
    alike = [*((1 - cut.work) ** _DIFFERENCES for cut in cuts), 0.0]  # the chance to differ nowhere before
    return kept * sum(cut.work * (here - there) for cut, (here, there) in zip(cuts, pairwise(alike), strict=True))
