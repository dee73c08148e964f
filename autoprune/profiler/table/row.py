"""What a table says of one kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from autoprune.cost import Kernel, Measurement
from autoprune.profiler.table.rules import STRICT, require, require_not_negative, require_times


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel: median and spread (half the interquartile range) of its time in ms.

    op: operator as the runtime executes it, with its layout and attributes. inputs, outputs: shapes,
    weights included. visits: times a network that holds it was loaded and run, one value each; runs:
    inferences behind these.
    """

    __pydantic_config__ = STRICT

    op: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    ms: float
    spread_ms: float
    visits: int
    runs: int

    def __post_init__(self) -> None:
        require(bool(self.op), "op must not be empty")
        require(all(n >= 0 for shape in self.inputs + self.outputs for n in shape), "lengths must not be negative")
        require_times(ms=self.ms)
        require_not_negative(spread_ms=self.spread_ms)
        require(self.runs >= self.visits >= 1, f"runs >= visits >= 1 must hold, got {self.runs} and {self.visits}")

    @classmethod
    def of(cls, kernel: Kernel, time: Measurement, runs: int) -> Self:
        """The row of a kernel: `time` in ms over visits, which had `runs` runs in all."""
        median, spread = float(f"{time.median:.6g}"), float(f"{time.spread:.3g}")
        return cls(kernel.op, kernel.inputs, kernel.outputs, median, spread, time.runs, runs)

    @property
    def kernel(self) -> Kernel:
        """What was measured."""
        return Kernel(self.op, self.inputs, self.outputs)

    @property
    def time(self) -> Measurement:
        """Its time in ms; `runs` are visits, which are what is independent."""
        return Measurement(self.ms, self.spread_ms, self.visits)
