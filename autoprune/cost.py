"""What a policy costs: counted MACs, parameters and memory, and a given latency; in batches, numpy only.

Every axis of every tensor is an affine function of the policy (an `Extent`), every count a
product of extents (a `Volume`), so thousands of policies are costed by a few matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoprune.errors import BadInput
from autoprune.space import Policy, SearchSpace

# How far medians of the same network, taken in turns with another, lie from each other at most, on a quiet machine.
_MOST_DRIFT = 0.01
# Policies costed at once: small enough that the intermediate arrays stay in the cache.
_BLOCK = 512

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.float64]


class Metric(StrEnum):
    """What a budget can limit."""

    MACS = "macs"
    PARAMS = "params"
    LATENCY = "latency"
    ENERGY = "energy"
    MEMORY = "memory"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one inference of one network; None means not known, never 0.

    `macs` multiply-accumulates (FLOPs = 2 x MACs), `params` numbers stored, `latency_ms` and
    `energy_mj` read from a device's table, `peak_memory_bytes` the most activation bytes alive at
    once (float32, parameters not counted), `size_bytes` those of the network as an ONNX file.
    """

    macs: float
    params: float
    peak_memory_bytes: float
    latency_ms: float | None = None
    energy_mj: float | None = None
    size_bytes: float | None = None

    def of(self, metric: Metric) -> float:
        """The value of `metric`; raises `BadInput` where it is not known."""
        value = self._values[metric]
        if value is None:
            raise _not_known(metric)
        return value

    @property
    def known(self) -> dict[Metric, float]:
        """The value of every metric that is known."""
        return {metric: value for metric, value in self._values.items() if value is not None}

    @property
    def _values(self) -> dict[Metric, float | None]:
        return {
            Metric.MACS: self.macs,
            Metric.PARAMS: self.params,
            Metric.LATENCY: self.latency_ms,
            Metric.ENERGY: self.energy_mj,
            Metric.MEMORY: self.peak_memory_bytes,
            Metric.SIZE: self.size_bytes,
        }


def _not_known(metric: Metric) -> BadInput:
    if metric is Metric.SIZE:
        return BadInput("size is not known for this network: it was not exported to see what its file holds")
    return BadInput(f"{metric} is not known for this network; give a table that holds it (autoprune profile)")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measured number with its spread: a number is never stored without one.

    `median` and `spread` (half the interquartile range) in the unit that the owner's name tells, over `runs` runs.
    """

    median: float
    spread: float
    runs: int

    @property
    def repeatable(self) -> float:
        """What measuring again will hardly exceed: the median and its spread.

        A hundredth of the median is added at most: on a busy machine single runs spread far wider than medians do.
        """
        return self.median + min(self.spread, _MOST_DRIFT * self.median)


@dataclass(frozen=True, slots=True)
class Kernel:
    """One fused operator as the runtime executes it: its name and the shapes of its tensors."""

    op: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        shapes = " ".join("x".join(map(str, shape)) or "scalar" for shape in self.inputs)
        return f"{self.op}({shapes})"


@dataclass(frozen=True, slots=True)
class Extent:
    """Length of a tensor axis: `fixed` plus, for each (group, positions), positions per kept unit of that group."""

    fixed: int
    terms: tuple[tuple[int, int], ...] = ()

    def at(self, units: Sequence[int]) -> int:
        """The length when group g keeps `units[g]` of its units."""
        return self.fixed + sum(per_unit * int(units[group]) for group, per_unit in self.terms)


@dataclass(frozen=True, slots=True)
class Volume:
    """A count belonging to a layer: `factor` times the product of `extents`."""

    layer: str
    factor: int
    extents: tuple[Extent, ...]


@dataclass(frozen=True, slots=True)
class CountPlan:
    """What was counted: work, parameters, activation tensors, and which of these live at each step.

    `stored` are the bytes of the network's file (`deploy.onnx_file.size`); empty where nobody has looked.
    """

    macs: tuple[Volume, ...]
    params: tuple[Volume, ...]
    tensors: tuple[Volume, ...]  # bytes
    live: tuple[tuple[int, ...], ...]  # indices into `tensors`, one tuple an executed operator
    stored: tuple[Volume, ...] = ()  # bytes


class _Volumes:
    """Batched evaluation of volumes: unit counts [n, groups] -> counts [n, volumes]."""

    def __init__(self, volumes: Sequence[Volume], n_groups: int) -> None:
        extents = list(dict.fromkeys(e for v in volumes for e in v.extents))
        index = {extent: i for i, extent in enumerate(extents)}
        self._fixed = np.array([e.fixed for e in extents], dtype=np.float64)
        self._per_unit = np.zeros((n_groups, len(extents)))
        for i, extent in enumerate(extents):
            for group, positions in extent.terms:
                self._per_unit[group, i] += positions
        # Volumes of fewer factors are padded with an axis of length 1, so that all multiply alike.
        arity = max((len(v.extents) for v in volumes), default=0)
        padded = [[index[e] for e in v.extents] + [len(extents)] * (arity - len(v.extents)) for v in volumes]
        self._index = np.array(padded, dtype=np.intp).reshape(len(volumes), arity)
        self._factor = np.array([v.factor for v in volumes], dtype=np.float64)

    def __call__(self, units: FloatArray) -> FloatArray:
        lengths = np.empty((len(units), self._per_unit.shape[1] + 1))
        np.matmul(units, self._per_unit, out=lengths[:, :-1])
        lengths[:, :-1] += self._fixed
        lengths[:, -1] = 1.0
        counts: FloatArray = np.broadcast_to(self._factor, (len(units), len(self._factor))).copy()
        for column in self._index.T:
            counts *= lengths[:, column]
        return counts


class _Total:
    """Batched sum of volumes [n]; volumes over the same extents are merged first."""

    def __init__(self, volumes: Sequence[Volume], n_groups: int) -> None:
        merged: dict[tuple[Extent, ...], int] = {}
        for v in volumes:
            key = tuple(sorted((e for e in v.extents if e.terms), key=repr))
            constant = int(np.prod([e.fixed for e in v.extents if not e.terms], dtype=np.int64))
            merged[key] = merged.get(key, 0) + v.factor * constant
        self._volumes = _Volumes([Volume("", factor, key) for key, factor in merged.items()], n_groups)

    def __call__(self, units: FloatArray) -> FloatArray:
        return np.asarray(self._volumes(units).sum(axis=1))


class _Peak:
    """Batched peak of live bytes [n]: the largest total over the steps."""

    def __init__(self, plan: CountPlan, n_groups: int) -> None:
        # A step whose live set is inside another's can never be the peak.
        sets = sorted({frozenset(s) for s in plan.live}, key=lambda s: (-len(s), sorted(s)))
        maximal = [s for i, s in enumerate(sets) if not any(s < t for t in sets[:i])]
        self._alive = np.zeros((len(plan.tensors), len(maximal)))
        for column, alive in enumerate(maximal):
            self._alive[list(alive), column] = 1.0
        self._tensors = _Volumes(plan.tensors, n_groups)

    def __call__(self, units: FloatArray) -> FloatArray:
        if not self._alive.size:
            return np.zeros(len(units))
        return np.asarray((self._tensors(units) @ self._alive).max(axis=1))


# Widths [n, groups] -> costs [n]; `autoprune.kernel_sum.KernelSum` is one.
Tabled = Callable[[IntArray], FloatArray]


class CostModel:
    """Policy -> cost for one network, and in batches: widths [n, groups] -> arrays [n].

    What is counted is always known; `latency` (ms) and `energy` (mJ) come from a device's table.
    """

    def __init__(
        self, space: SearchSpace, plan: CountPlan, latency: Tabled | None = None, energy: Tabled | None = None
    ) -> None:
        self.space, self.plan, self.latency, self.energy = space, plan, latency, energy
        n = len(space)
        self._unit = np.array([g.unit for g in space.groups], dtype=np.float64)
        self._counted: dict[Metric, Callable[[FloatArray], FloatArray]] = {
            Metric.MACS: _Total(plan.macs, n),
            Metric.PARAMS: _Total(plan.params, n),
            Metric.MEMORY: _Peak(plan, n),
        }
        if plan.stored:
            self._counted[Metric.SIZE] = _Total(plan.stored, n)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What this model knows."""
        return (*self._counted, *self._tabled)

    @property
    def _tabled(self) -> Mapping[Metric, Tabled]:
        tabled = {Metric.LATENCY: self.latency, Metric.ENERGY: self.energy}
        return {metric: cost for metric, cost in tabled.items() if cost is not None}

    def costs(self, widths: IntArray, metrics: Iterable[Metric] | None = None) -> Mapping[Metric, FloatArray]:
        """Cost arrays [n] of policies `widths` (integers [n, groups]), one a metric (all known ones by default)."""
        widths = np.asarray(widths)
        if widths.ndim != 2 or widths.shape[1] != len(self.space):
            raise BadInput(f"expected widths of shape [n, {len(self.space)}], got {list(widths.shape)}")
        wanted = self.metrics if metrics is None else tuple(metrics)
        blocks = [self._block(widths[i : i + _BLOCK], wanted) for i in range(0, max(1, len(widths)), _BLOCK)]
        return {metric: np.concatenate([block[metric] for block in blocks]) for metric in wanted}

    def _block(self, widths: IntArray, wanted: Iterable[Metric]) -> dict[Metric, FloatArray]:
        units = widths / self._unit
        return {metric: self._one(metric, widths, units) for metric in wanted}

    def _one(self, metric: Metric, widths: IntArray, units: FloatArray) -> FloatArray:
        if metric in self._counted:
            return self._counted[metric](units)
        if metric in self._tabled:
            return self._tabled[metric](widths)
        raise _not_known(metric)

    def cost(self, policy: Policy) -> Cost:
        """The cost of one policy; what is not known is None."""
        got = {m: float(v[0]) for m, v in self.costs(np.array([policy.widths]).reshape(1, -1)).items()}
        return Cost(
            macs=got[Metric.MACS],
            params=got[Metric.PARAMS],
            peak_memory_bytes=got[Metric.MEMORY],
            latency_ms=got.get(Metric.LATENCY),
            energy_mj=got.get(Metric.ENERGY),
            size_bytes=got.get(Metric.SIZE),
        )
