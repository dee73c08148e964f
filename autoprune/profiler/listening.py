"""Who is told how far the profiler has come."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str, float], None]
"""Told what is being done, and the share of it that is done, in [0, 1]."""


def silent(message: str, done: float) -> None:
    """Tell nobody."""
