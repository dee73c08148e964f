"""From values to places: axes whose ends and ticks are round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

_ROUND = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`, `low < high`, with a tick every `step`."""

    low: float
    high: float
    step: float

    @classmethod
    def of(cls, values: Iterable[float], *, ticks: int = 5, zero: bool = False) -> Self:
        """The axis that shows all `values`, in about so many steps; from 0 where `zero` asks for that."""
        known = [value for value in values if math.isfinite(value)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        low = min(0.0, low) if zero else low
        if low == high:
            low, high = low - (abs(low) / 10 or 1), high + (abs(high) / 10 or 1)
        step = _round_step((high - low) / ticks)
        return cls(step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9), step)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Where the ticks are, each with its text."""
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9))
        count = round((self.high - self.low) / self.step)
        values = [self.low + i * self.step for i in range(count + 1)]
        return [(value, _tick_text(value, digits)) for value in values]

    def share(self, value: float) -> float:
        """How far along the axis a value lies: 0 at its low end, 1 at its high one."""
        return (value - self.low) / (self.high - self.low)


def _tick_text(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def _round_step(least: float) -> float:
    unit = 10.0 ** math.floor(math.log10(least))
    return unit * next(times for times in _ROUND if times * unit >= least * (1 - 1e-9))
