"""How far chance alone parts two scores that are shares of images."""

from __future__ import annotations

import math
from typing import Final

_NORMAL_95: Final = 1.96


def on_chance(score: float, images: int, times: str) -> str:
    """How well the best `score`, a share of `images`, is known; `times` says how often it was measured."""
    half = 100 * _NORMAL_95 * math.sqrt(score * (1 - score) / images)
    return (
        f"On {images} test images the best score is known to {half:.1f} points (95%), and {times}: smaller differences "
        "are no finding."
    )
