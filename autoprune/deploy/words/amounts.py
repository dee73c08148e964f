"""Scores and costs as people read them, with their units."""

from __future__ import annotations

import math
from typing import Final

from autoprune.cost import Metric

NAMES: Final = {
    Metric.MACS: "MACs",
    Metric.PARAMS: "parameters",
    Metric.LATENCY: "latency",
    Metric.ENERGY: "energy",
    Metric.MEMORY: "activation memory",
    Metric.SIZE: "size on disk",
}
OF_A_DEVICE: Final = (Metric.LATENCY, Metric.ENERGY)  # the others are the same anywhere


def is_share(metric: str) -> bool:
    """Whether the score of this name is a share of images, to be shown as a percentage."""
    return "accuracy" in metric.lower()


def score_text(score: float, metric: str) -> str:
    """A score as people read it: accuracies in percent."""
    return f"{100 * score:.1f}%" if is_share(metric) else f"{score:.4g}"


def interval_text(interval: tuple[float, float], metric: str) -> str:
    """An interval of scores: 90.1–92.6%."""
    low, high = (score_text(end, metric) for end in interval)
    return f"{low.rstrip('%')}–{high}"


def amount_text(value: float, metric: Metric, *, zeros: bool = True) -> str:
    """A cost with its unit, three significant digits or more; `zeros` keeps those at the end."""
    if metric in (Metric.LATENCY, Metric.ENERGY):
        return f"{number(value, 3, zeros=zeros)} {'ms' if metric is Metric.LATENCY else 'mJ'}"
    suffix = "B" if metric in (Metric.MEMORY, Metric.SIZE) else ""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{number(value / scale, 4, zeros=zeros)} {letter}{suffix}"
    return f"{value:.0f} {suffix}".rstrip()


def number(value: float, significant: int, *, zeros: bool = True) -> str:
    """A number from 0 up, in so many significant digits or more; without `zeros` none stands at the end."""
    exponent = math.floor(math.log10(value)) if value > 0 else 0
    text = f"{value:.{max(0, significant - 1 - exponent)}f}"
    return text if zeros or "." not in text else text.rstrip("0").rstrip(".")


def counted(count: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
