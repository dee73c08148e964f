"""A cost that adds up over a network's kernels, for many policies at once: latency, energy; numpy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import FloatArray, IntArray
from autoprune.errors import UnknownKernel
from autoprune.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Term:
    """What one place of the network costs: `value(units)` when group g keeps `units[g]` units.

    It depends on `groups` (indices, ascending) only, and raises `UnknownKernel` where it is not known.
    """

    name: str
    groups: tuple[int, ...]
    value: Callable[[Sequence[int]], float]


class KernelSum:
    """Cost of a policy: `constant` + s (`scale` + `crowding` ln(s / `dense`)), s the sum of its terms.

    Without crowding that is a constant and a scaled sum; see `profiler.whole.Composition`. Terms of
    up to two groups are tabulated once over the widths that `space` offers, so that a policy costs
    a few lookups.
    """

    def __init__(
        self,
        space: SearchSpace,
        terms: Sequence[Term],
        *,
        scale: float = 1.0,
        constant: float = 0.0,
        crowding: float = 0.0,
        dense: float = 1.0,
    ) -> None:
        self.space, self.terms = space, tuple(terms)
        self.scale, self.constant, self.crowding, self.dense = scale, constant, crowding, dense
        self._units = [g.unit for g in space.groups]
        self._position = [_positions(g.widths) for g in space.groups]
        self._fixed = 0.0
        self._tables: dict[tuple[int, ...], FloatArray] = {}
        self._wide: list[Term] = []  # depend on more groups than a table could hold
        self._compile()

    def _compile(self) -> None:
        for term in self.terms:
            if not term.groups:
                self._fixed += term.value([0] * len(self.space))
            elif len(term.groups) <= 2:
                shape = [len(self.space.groups[g].widths) for g in term.groups]
                table = self._tables.setdefault(term.groups, np.zeros(shape))
                table += self._tabulated(term)
            else:
                self._wide.append(term)

    def _tabulated(self, term: Term) -> FloatArray:
        """Values of `term` over the offered widths of its groups; NaN where it is not known."""
        offered = [self.space.groups[g].widths for g in term.groups]
        table = np.full([len(w) for w in offered], np.nan)
        units = [0] * len(self.space)
        for where in np.ndindex(*table.shape):
            for group, widths, i in zip(term.groups, offered, where, strict=True):
                units[group] = widths[i] // self._units[group]
            try:
                table[where] = term.value(units)
            except UnknownKernel:
                continue  # raised by `_explain` if a policy asks for it
        return table

    def __call__(self, widths: IntArray) -> FloatArray:
        """Costs [n] of policies `widths` [n, groups]; raises `UnknownKernel`, never counts 0."""
        index = [position[np.clip(widths[:, g], 0, len(position) - 1)] for g, position in enumerate(self._position)]
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
        for term in self._wide:
            total += self._distinct(term, widths)
        unknown = np.isnan(total)
        if unknown.any():
            self._explain(widths[int(np.argmax(unknown))])
        if self.crowding:
            some = np.maximum(total, np.finfo(np.float64).tiny)  # of nothing at all there is no logarithm
            return np.asarray(self.constant + total * (self.scale + self.crowding * np.log(some / self.dense)))
        return np.asarray(self.constant + self.scale * total)

    def _distinct(self, term: Term, widths: IntArray) -> FloatArray:
        """Values [n] of a term of many groups, each distinct combination looked up once."""
        groups = list(term.groups)
        distinct, inverse = np.unique(widths[:, groups], axis=0, return_inverse=True)
        units = [0] * len(self.space)
        values = np.empty(len(distinct))
        for row, chosen in enumerate(distinct):
            for group, width in zip(groups, chosen, strict=True):
                units[group] = int(width) // self._units[group]
            values[row] = term.value(units)
        return np.asarray(values[inverse.reshape(-1)])

    def _explain(self, widths: IntArray) -> None:
        units = [int(w) // u for w, u in zip(widths, self._units, strict=True)]
        for term in self.terms:
            term.value(units)


def _positions(widths: Sequence[int]) -> NDArray[np.intp]:
    """Lookup from a width to its place among `widths`, -1 where it is not offered."""
    table = np.full(widths[-1] + 2, -1, dtype=np.intp)
    table[list(widths)] = np.arange(len(widths))
    return table
