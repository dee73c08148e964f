"""What a policy costs: counted MACs, parameters and memory, table-read latency; in batches, numpy only.

Every axis of every tensor is an affine function of the policy (an `Extent`), every count a
product of extents (a `Volume`), so thousands of policies are costed by a few matrix products.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoprune.errors import BadInput, UnknownKernel
from autoprune.space import Policy, SearchSpace

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


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one inference of one network; None means not known, never 0.

    `macs` multiply-accumulates (FLOPs = 2 x MACs), `params` numbers stored, `latency_ms` and
    `energy_mj` read from a device's table, `peak_memory_bytes` the most activation bytes alive at
    once (float32, parameters not counted).
    """

    macs: float
    params: float
    peak_memory_bytes: float
    latency_ms: float | None = None
    energy_mj: float | None = None

    def of(self, metric: Metric) -> float:
        """The value of `metric`; raises `BadInput` where it is not known."""
        value = {
            Metric.MACS: self.macs,
            Metric.PARAMS: self.params,
            Metric.LATENCY: self.latency_ms,
            Metric.ENERGY: self.energy_mj,
            Metric.MEMORY: self.peak_memory_bytes,
        }[metric]
        if value is None:
            raise BadInput(f"{metric} is not known for this network; give a table that holds it (autoprune profile)")
        return value


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measured number with its spread: a number is never stored without one.

    `median` and `spread` (half the interquartile range) in the unit that the owner's name tells, over `runs` runs.
    """

    median: float
    spread: float
    runs: int


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
    """What the tracer counted: work, parameters, activation tensors, and which of these live at each step."""

    macs: tuple[Volume, ...]
    params: tuple[Volume, ...]
    tensors: tuple[Volume, ...]  # bytes
    live: tuple[tuple[int, ...], ...]  # indices into `tensors`, one tuple an executed operator


@dataclass(frozen=True, slots=True)
class KernelNode:
    """One operator of the optimised runtime graph, its tensor shapes as extents of the policy."""

    name: str
    op: str
    inputs: tuple[tuple[Extent, ...], ...]
    outputs: tuple[tuple[Extent, ...], ...]

    def kernel(self, units: Sequence[int]) -> Kernel:
        """The concrete kernel when group g keeps `units[g]` units."""

        def shapes(tensors: tuple[tuple[Extent, ...], ...]) -> tuple[tuple[int, ...], ...]:
            return tuple(tuple(extent.at(units) for extent in tensor) for tensor in tensors)

        return Kernel(self.op, shapes(self.inputs), shapes(self.outputs))

    def groups(self) -> tuple[int, ...]:
        """Indices of the groups that this node's shapes depend on, ascending."""
        extents = itertools.chain.from_iterable(self.inputs + self.outputs)
        return tuple(sorted({group for extent in extents for group, _ in extent.terms}))


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


class LatencyModel:
    """Latency of a policy: `constant_ms` + `scale` x the sum of its kernels' times.

    `nodes` is the kernel plan of the network; `kernel_ms` gives one kernel's median time in
    milliseconds and raises `UnknownKernel` where the table has none. `scale` and `constant_ms` are
    fitted on whole networks measured in the same session (what runs between the kernels).
    """

    def __init__(
        self,
        space: SearchSpace,
        nodes: Sequence[KernelNode],
        kernel_ms: Callable[[Kernel], float],
        *,
        scale: float = 1.0,
        constant_ms: float = 0.0,
    ) -> None:
        self.space, self.nodes = space, tuple(nodes)
        self.scale, self.constant_ms = scale, constant_ms
        self._kernel_ms = kernel_ms
        self._units = [g.unit for g in space.groups]
        self._position = [_positions(g.widths) for g in space.groups]
        self._fixed = 0.0
        self._tables: dict[tuple[int, ...], FloatArray] = {}
        self._wide: list[KernelNode] = []  # depend on more groups than a table could hold
        self._compile()

    def _compile(self) -> None:
        for node in self.nodes:
            groups = node.groups()
            if not groups:
                self._fixed += self._kernel_ms(node.kernel([0] * len(self.space)))
            elif len(groups) <= 2:
                table = self._tables.setdefault(groups, np.zeros([len(self.space.groups[g].widths) for g in groups]))
                table += self._node_table(node, groups)
            else:
                self._wide.append(node)

    def _node_table(self, node: KernelNode, groups: tuple[int, ...]) -> FloatArray:
        """Times of `node` in ms over the offered widths of its `groups`; NaN where the table has no row."""
        offered = [self.space.groups[g].widths for g in groups]
        table = np.full([len(w) for w in offered], np.nan)
        units = [0] * len(self.space)
        for where in np.ndindex(*table.shape):
            for group, widths, i in zip(groups, offered, where, strict=True):
                units[group] = widths[i] // self._units[group]
            try:
                table[where] = self._kernel_ms(node.kernel(units))
            except UnknownKernel:
                continue  # raised by `explain` if a policy asks for it
        return table

    def __call__(self, widths: IntArray) -> FloatArray:
        """Latency in ms [n] of policies `widths` [n, groups]; raises `UnknownKernel`, never counts 0."""
        index = [position[np.minimum(widths[:, g], len(position) - 1)] for g, position in enumerate(self._position)]
        for g, i in enumerate(index):
            if (i < 0).any():
                bad = widths[int(np.argmax(i < 0)), g]
                raise UnknownKernel(
                    f"group {self.space.groups[g].name}: width {bad} was not profiled; measured widths are "
                    f"{list(self.space.groups[g].widths)}. Use one of these or profile again."
                )
        total = np.full(len(widths), self._fixed)
        for groups, table in self._tables.items():
            total += table[tuple(index[g] for g in groups)]
        for node in self._wide:
            total += self._wide_ms(node, widths)
        unknown = np.isnan(total)
        if unknown.any():
            self._explain(widths[int(np.argmax(unknown))])
        return np.asarray(self.constant_ms + self.scale * total)

    def _wide_ms(self, node: KernelNode, widths: IntArray) -> FloatArray:
        groups = list(node.groups())
        distinct, inverse = np.unique(widths[:, groups], axis=0, return_inverse=True)
        units = [0] * len(self.space)
        times = np.empty(len(distinct))
        for row, chosen in enumerate(distinct):
            for group, width in zip(groups, chosen, strict=True):
                units[group] = int(width) // self._units[group]
            times[row] = self._kernel_ms(node.kernel(units))
        return np.asarray(times[inverse.reshape(-1)])

    def _explain(self, widths: IntArray) -> None:
        units = [int(w) // u for w, u in zip(widths, self._units, strict=True)]
        for node in self.nodes:
            self._kernel_ms(node.kernel(units))


def _positions(widths: Sequence[int]) -> NDArray[np.intp]:
    """Lookup from a width to its place among `widths`, -1 where it is not offered."""
    table = np.full(widths[-1] + 2, -1, dtype=np.intp)
    table[list(widths)] = np.arange(len(widths))
    return table


class CostModel:
    """Policy -> cost for one network, and in batches: widths [n, groups] -> arrays [n]."""

    def __init__(self, space: SearchSpace, plan: CountPlan, latency: LatencyModel | None = None) -> None:
        self.space, self.plan, self.latency = space, plan, latency
        n = len(space)
        self._unit = np.array([g.unit for g in space.groups], dtype=np.float64)
        self._counted: dict[Metric, Callable[[FloatArray], FloatArray]] = {
            Metric.MACS: _Total(plan.macs, n),
            Metric.PARAMS: _Total(plan.params, n),
            Metric.MEMORY: _Peak(plan, n),
        }

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What this model knows."""
        return (*self._counted, Metric.LATENCY) if self.latency else tuple(self._counted)

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
        if metric is Metric.LATENCY and self.latency:
            return self.latency(widths)
        raise BadInput(f"{metric} is not known for this network; give a table that holds it (autoprune profile)")

    def cost(self, policy: Policy) -> Cost:
        """The cost of one policy; what is not known is None."""
        got = {m: float(v[0]) for m, v in self.costs(np.array([policy.widths]).reshape(1, -1)).items()}
        return Cost(
            macs=got[Metric.MACS],
            params=got[Metric.PARAMS],
            peak_memory_bytes=got[Metric.MEMORY],
            latency_ms=got.get(Metric.LATENCY),
            energy_mj=got.get(Metric.ENERGY),
        )


_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_UNITS: dict[Metric, dict[str, float]] = {
    Metric.MACS: _SCALES,
    Metric.PARAMS: _SCALES,
    Metric.LATENCY: {"": 1.0, "ms": 1.0, "us": 1e-3, "s": 1e3},
    Metric.ENERGY: {"": 1.0, "mj": 1.0, "j": 1e3},
    Metric.MEMORY: {"": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30},
}


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on one metric: absolute (in the metric's unit) or relative to the dense network.

    Units: MACs and parameters are counts, latency ms, energy mJ, memory bytes.
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
        """Read `latency=0.5x`, `latency=8ms`, `macs=50%`, `macs=60M`, `params=200k`, `memory=4MiB`."""
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
