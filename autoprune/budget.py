"""Budgets: a limit on one metric, read from text such as `latency=0.5x`."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from autoprune.cost import Cost, Metric
from autoprune.errors import BadInput

_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_BYTES = {"": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}
_UNITS: dict[Metric, dict[str, float]] = {
    Metric.MACS: _SCALES,
    Metric.PARAMS: _SCALES,
    Metric.LATENCY: {"": 1.0, "ms": 1.0, "us": 1e-3, "s": 1e3},
    Metric.ENERGY: {"": 1.0, "mj": 1.0, "uj": 1e-3, "j": 1e3},
    Metric.MEMORY: _BYTES,
    Metric.SIZE: _BYTES,
}


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on one metric: absolute (in the metric's unit) or relative to the dense network.

    Units: MACs and parameters are counts, latency ms, energy mJ, memory and size bytes.
    """

    metric: Metric
    limit: float
    relative: bool = False

    def __post_init__(self) -> None:
        if not np.isfinite(self.limit) or self.limit <= 0:
            raise BadInput(f"a budget must be positive, got {self.metric}={self.limit}")
        if self.relative and self.limit > 1:
            raise BadInput(f"a relative budget lies in (0, 1], got {self.metric}={self.limit}x")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `latency=0.5x`, `latency=8ms`, `macs=50%`, `macs=60M`, `params=200k`, `memory=4MiB`, `size=1MB`."""
        match = re.fullmatch(r"\s*([a-z]+)\s*=\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-z%]*)\s*", text.lower())
        if not match:
            raise BadInput(f"a budget reads METRIC=LIMIT, as in latency=0.5x, latency=8ms or macs=60M; got {text!r}")
        name, number, unit = match.groups()
        if name not in list(Metric):
            raise BadInput(f"unknown budget metric {name!r}; choose from {', '.join(Metric)}")
        metric = Metric(name)
        try:
            value = float(number)
        except ValueError:
            raise BadInput(f"a budget's limit is a number, got {number!r} in {text!r}") from None
        if unit in ("x", "%"):
            return cls(metric, value / 100 if unit == "%" else value, relative=True)
        if unit not in _UNITS[metric]:
            known = ", ".join(["x", "%", *filter(None, _UNITS[metric])])
            raise BadInput(f"unknown unit {unit!r} in {text!r}; {metric} takes {known}")
        return cls(metric, value * _UNITS[metric][unit])

    def absolute(self, dense: Cost) -> Budget:
        """The same budget as an absolute limit, given the dense network's cost."""
        return Budget(self.metric, self.limit * dense.of(self.metric)) if self.relative else self

    def __str__(self) -> str:
        return f"{self.metric}={self.limit:.10g}{'x' if self.relative else ''}"
