"""How far chance alone parts two scores that are shares of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_NORMAL_95: Final = 1.96


def half_width(share: float, images: int) -> float:
    """Half of the 95% interval of a share of so many images, by the normal approximation."""
    return _NORMAL_95 * math.sqrt(share * (1 - share) / images)


def others_told(scores: Sequence[float], images: int) -> str:
    """How many of `scores`, the best of them first, lie in the 95% interval of that one; "" for none."""
    best, *others = scores
    near = sum(score >= best - half_width(best, images) for score in others)
    return "" if not near else ", another within chance of it" if near == 1 else f", {near} others within chance of it"


def on_chance(score: float, images: int, times: str) -> str:
    """How well the best `score`, a share of `images`, is known; `times` says how often it was measured."""
    return (
        f"On {images} test images the best score is known to {100 * half_width(score, images):.1f} points (95%), and "
        f"{times}: smaller differences are no finding."
    )
