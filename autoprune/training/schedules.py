"""How much is pruned when: the share of what is to go, as a function of the share `done` in [0, 1] of the training."""

from __future__ import annotations


def constant(final: float, done: float) -> float:  # noqa: ARG001 - one signature for every schedule
    """All of `final` at once."""
    return final


def linear(final: float, done: float) -> float:
    """The same share after each epoch."""
    return final * done


def cubic(final: float, done: float) -> float:
    """s_t = s_f (1 - (1 - t/T)^3): most of it early, while there is much to spare (Zhu & Gupta, 2017, eq. 1)."""
    return final * (1 - (1 - done) ** 3)
