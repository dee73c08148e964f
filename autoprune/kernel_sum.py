"""A cost that adds up over a network's kernels, for many policies at once: latency, energy; numpy only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import Extent, FloatArray, IntArray
from autoprune.errors import UnknownKernel
from autoprune.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Term:
    """What one place of the network costs: `value(units)` when group g keeps `units[g]` units.

    It depends on `groups` (indices, ascending) only, and raises `UnknownKernel` where it is not known.
    Of many groups it may be a function of few lengths, the `lengths`: those of a residual stream
    to which every stage has added its own channels.
    """

    name: str
    groups: tuple[int, ...]
    value: Callable[[Sequence[int]], float]
    lengths: tuple[Extent, ...] = ()


class KernelSum:
    """Cost of a policy: `constant` + s (`scale` + `crowding` ln(s / `dense`)), s the sum of its terms.

    Without crowding that is a constant and a scaled sum; see `profiler.table.composition.Composition`. Terms of
    up to two groups are tabulated once over the widths that `space` offers, terms of up to two
    lengths as these occur, so that a policy costs a few lookups.
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
        self._units = np.array([g.unit for g in space.groups], dtype=np.int64)
        self._position = [_positions(g.widths) for g in space.groups]
        self._fixed = 0.0
        self._tables: dict[tuple[int, ...], FloatArray] = {}
        self._wide: list[Term] = []  # depend on more than a table could hold
        self._compile()
        self._by_lengths = _ByLengths([term for term in self.terms if _is_of_few_lengths(term)], space)

    def _compile(self) -> None:
        for term in self.terms:
            if not term.groups:
                self._fixed += term.value([0] * len(self.space))
            elif len(term.groups) <= 2:
                shape = [len(self.space.groups[g].widths) for g in term.groups]
                table = self._tables.setdefault(term.groups, np.zeros(shape))
                table += self._tabulated(term)
            elif not _is_of_few_lengths(term):
                self._wide.append(term)

    def _tabulated(self, term: Term) -> FloatArray:
        """Values of `term` over the offered widths of its groups; NaN where it is not known."""
        offered = [self.space.groups[g].widths for g in term.groups]
        table = np.full([len(w) for w in offered], np.nan)
        units = [0] * len(self.space)
        for where in np.ndindex(*table.shape):
            for group, widths, i in zip(term.groups, offered, where, strict=True):
                units[group] = widths[i] // int(self._units[group])
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
        total += self._by_lengths(widths // self._units)
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
                units[group] = int(width) // int(self._units[group])
            values[row] = term.value(units)
        return np.asarray(values[inverse.reshape(-1)])

    def _explain(self, widths: IntArray) -> None:
        units = (widths // self._units).tolist()
        for term in self.terms:
            term.value(units)


def _is_of_few_lengths(term: Term) -> bool:
    return len(term.groups) > 2 and 0 < len(term.lengths) <= 2


class _ByLengths:
    """Sum of terms that are functions of one or two lengths, looked up when a combination of these first occurs."""

    def __init__(self, terms: Sequence[Term], space: SearchSpace) -> None:
        most = [g.width // g.unit for g in space.groups]
        self._extents = list(dict.fromkeys(extent for term in terms for extent in term.lengths))
        self._per_unit = np.zeros((len(space), len(self._extents)))
        for column, extent in enumerate(self._extents):
            for group, positions in extent.terms:
                self._per_unit[group, column] += positions
        self._fixed = np.array([float(extent.fixed) for extent in self._extents])
        self._tables: dict[tuple[Extent, ...], _LengthTable] = {}
        for term in terms:
            sizes = [extent.at(most) + 1 for extent in term.lengths]
            self._tables.setdefault(term.lengths, _LengthTable(sizes)).terms.append(term)

    def __call__(self, units: IntArray) -> FloatArray:
        """Values [n] for `units` [n, groups]; NaN where one is not known."""
        lengths = (units.astype(np.float64) @ self._per_unit + self._fixed).astype(np.intp)
        column = {extent: lengths[:, k] for k, extent in enumerate(self._extents)}
        total = np.zeros(len(units))
        for extents, table in self._tables.items():
            total += table([column[extent] for extent in extents], units)
        return total


class _LengthTable:
    """Values by lengths [sizes], NaN where none was asked for yet, or where it is not known."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.terms: list[Term] = []
        self._sizes = tuple(sizes)
        self._values = np.full(math.prod(sizes), np.nan)
        self._asked: set[int] = set()

    def __call__(self, lengths: Sequence[IntArray], units: IntArray) -> FloatArray:
        at = lengths[0] if len(lengths) == 1 else lengths[0] * self._sizes[1] + lengths[1]
        values = self._values[at]
        lacking = np.isnan(values)
        if lacking.any():
            self._look_up(at[lacking], units[lacking])
            values = self._values[at]
        return np.asarray(values)

    def _look_up(self, at: IntArray, units: IntArray) -> None:
        places, rows = np.unique(at, return_index=True)
        for place, row in zip(places.tolist(), rows, strict=True):
            if place not in self._asked:
                self._asked.add(place)
                with suppress(UnknownKernel):  # raised by `KernelSum` if a policy asks for it
                    self._values[place] = sum(term.value(units[row].tolist()) for term in self.terms)


def _positions(widths: Sequence[int]) -> NDArray[np.intp]:
    """Lookup from a width to its place among `widths`, -1 where it is not offered."""
    table = np.full(widths[-1] + 2, -1, dtype=np.intp)
    table[list(widths)] = np.arange(len(widths))
    return table
