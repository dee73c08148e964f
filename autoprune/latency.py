"""Latency of a policy from its kernels' times: summed over the network, in batches, numpy only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import Extent, FloatArray, IntArray, Kernel
from autoprune.errors import UnknownKernel
from autoprune.space import SearchSpace


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
