"""Times of kernels that were not measured themselves, from rows that are like them; free of torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import FloatArray, Kernel, Measurement
from autoprune.errors import UnknownKernel
from autoprune.profiler.least_squares import nonnegative
from autoprune.profiler.timing.averaging import standard_error

Varying = tuple[tuple[int, int], ...]
Template = tuple[str, tuple[tuple[int | None, ...], ...]]
IntTable = NDArray[np.int64]

_FEWEST_ROWS = 6
_MOST_MULTIPLIED = 3  # lengths; a concatenation has more, but its time is a sum
_FOLDS = 10
_ALIGNED = 16  # the widest vectors: 16 floats


@dataclass(frozen=True, slots=True)
class KernelTime:
    """Time of one kernel in ms, its standard error, and whether it has a row or lies between rows like it."""

    ms: float
    error_ms: float
    source: Literal["measured", "interpolated"]


class KernelTimes:
    """Looks kernels up in a table's rows, and where one is missing, in a fit of the rows that are like it."""

    def __init__(self, rows: Mapping[Kernel, Measurement]) -> None:
        self._rows = rows
        self._by_op: dict[str, list[Kernel]] = {}
        for kernel in rows:
            self._by_op.setdefault(kernel.op, []).append(kernel)
        self._families: dict[tuple[Template, Varying], _Family | None] = {}
        self._known: dict[tuple[Kernel, Varying], KernelTime] = {}

    def __call__(self, kernel: Kernel, varying: Varying) -> KernelTime:
        """The time of `kernel`, whose axes `varying` (tensor, axis) are those that a policy changes.

        Interpolated where it has no row but at least six of its family have one: the same operator,
        equal in all other axes. Each of its lengths must have been measured, with other partners;
        or, where lengths are sums of many groups, lie between measured ones of which some stand on
        the same kind of stair (divisible by the same power of 2 up to 16). Raises `UnknownKernel`
        elsewhere.
        """
        known = self._known.get((kernel, varying))
        if known is None:
            known = self._known[kernel, varying] = self._find(kernel, varying)
        return known

    def _find(self, kernel: Kernel, varying: Varying) -> KernelTime:
        row = self._rows.get(kernel)
        if row is not None:
            return KernelTime(row.median, standard_error(row), "measured")
        family = self._family(kernel, varying) if varying else None
        fitted = family(_lengths(kernel, varying)) if family else None
        if fitted is None:
            raise UnknownKernel(
                f"the latency table has no row for {kernel}, and too few like it to fit one; "
                "profile this network into it (autoprune profile --out TABLE)"
            )
        return fitted

    def _family(self, kernel: Kernel, varying: Varying) -> _Family | None:
        key = (_template(kernel, varying), varying)
        if key not in self._families:
            ranks = [len(shape) for shape in _tensors(kernel)]
            like = [k for k in self._by_op.get(kernel.op, []) if [len(shape) for shape in _tensors(k)] == ranks]
            members = [k for k in like if _template(k, varying) == key[0]]
            self._families[key] = _fit_family(members, varying, self._rows)
        return self._families[key]


def _tensors(kernel: Kernel) -> tuple[tuple[int, ...], ...]:
    return kernel.inputs + kernel.outputs


def _template(kernel: Kernel, varying: Varying) -> Template:
    """What is common to a family: the operator, and all shapes with the varying lengths left open."""
    shapes = (
        tuple(None if (t, a) in varying else length for a, length in enumerate(shape))
        for t, shape in enumerate(_tensors(kernel))
    )
    return kernel.op, tuple(shapes)


def _lengths(kernel: Kernel, varying: Varying) -> IntTable:
    tensors = _tensors(kernel)
    return np.array([tensors[t][a] for t, a in varying], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Form:
    """What a family's time is a function of, besides its lengths and their products.

    `stair`: also of lengths rounded up to a multiple of it; `small`: lengths below it have slopes
    of their own (other layouts); `cache`: so does the part of the product of all lengths above it.
    """

    small: int = 0
    stair: int = 0
    cache: float = math.inf

    def features(self, lengths: IntTable) -> FloatArray:
        """Non-negative terms of lengths [n, k]: [n, terms], the products of one factor a column and the cache term."""
        n = lengths.astype(np.float64)
        factors = [np.ones_like(n), n]
        if self.stair:
            factors.append(np.ceil(n / self.stair) * self.stair)
        if self.small:
            factors.append(np.where(n < self.small, n, 0.0))
        picks = _picks(len(factors), n.shape[1])
        terms = [np.prod([factors[f][:, c] for c, f in enumerate(pick)], axis=0) for pick in picks]
        if math.isfinite(self.cache):
            terms.append(np.maximum(0.0, n.prod(axis=1) - self.cache))
        return np.stack(terms, axis=1)


def _picks(factors: int, lengths: int) -> Iterable[tuple[int, ...]]:
    """Which factor (0: one) of each length makes up each term: all products, of many lengths one at a time."""
    if lengths <= _MOST_MULTIPLIED:
        return itertools.product(range(factors), repeat=lengths)
    single = (tuple(f if c == at else 0 for c in range(lengths)) for at in range(lengths) for f in range(1, factors))
    return [(0,) * lengths, *single]


@dataclass(frozen=True)
class _Family:
    """A non-negative fit of a family's times on its distinct lengths."""

    columns: tuple[int, ...]  # of the varying lengths, those that are distinct
    same_as: tuple[int, ...]  # for each varying length, the distinct one that it equals
    seen: tuple[frozenset[int], ...]  # the measured values of each distinct length
    form: _Form
    weights: FloatArray
    error: float  # root mean square of held-out rows, relative

    def __call__(self, lengths: IntTable) -> KernelTime | None:
        """The time at the varying `lengths`; None off the stairs that were measured."""
        distinct = lengths[list(self.columns)]
        known = all(_on_known_stair(int(n), seen) for n, seen in zip(distinct, self.seen, strict=True))
        if not known or (lengths != distinct[list(self.same_as)]).any():
            return None
        ms = float((self.form.features(distinct[None]) @ self.weights)[0])
        return KernelTime(ms, self.error * ms, "interpolated") if ms > 0 else None


def _on_known_stair(length: int, seen: frozenset[int]) -> bool:
    if length in seen:
        return True
    alike = any(math.gcd(length, _ALIGNED) == math.gcd(other, _ALIGNED) for other in seen)
    return alike and min(seen) <= length <= max(seen)


def _fit_family(members: Sequence[Kernel], varying: Varying, rows: Mapping[Kernel, Measurement]) -> _Family | None:
    if len(members) < _FEWEST_ROWS:
        return None
    table = np.stack([_lengths(kernel, varying) for kernel in members])
    columns, same_as = _distinct_columns(table)
    distinct = table[:, columns]
    times = np.array([rows[kernel].median for kernel in members])
    form, error = _best_form(distinct, times)
    seen = tuple(frozenset(column.tolist()) for column in distinct.T)
    weights = _weights(form.features(distinct), times)
    return _Family(tuple(columns), tuple(same_as), seen, form, weights, error)


def _best_form(lengths: IntTable, times: FloatArray) -> tuple[_Form, float]:
    """The form with the smallest error on held-out rows, chosen one trait at a time, and that error."""
    quarters = [float(q) for q in np.quantile(lengths.prod(axis=1), [0.25, 0.5, 0.75])]
    form = _Form()
    error = _held_out_error(form.features(lengths), times)
    traits: list[Callable[[_Form], list[_Form]]] = [
        lambda known: [replace(known, small=below) for below in (8, 16, 32)],
        lambda known: [replace(known, stair=step) for step in (4, 16, 32, 64)],
        lambda known: [replace(known, cache=product) for product in quarters],
    ]
    for vary in traits:
        forms = vary(form)
        errors = [_held_out_error(f.features(lengths), times) for f in forms]
        if min(errors) < error:
            error = min(errors)
            form = forms[errors.index(error)]
    return form, error


def _distinct_columns(table: IntTable) -> tuple[list[int], list[int]]:
    columns: list[int] = []
    same_as: list[int] = []
    for index in range(table.shape[1]):
        equal = [place for place, c in enumerate(columns) if (table[:, c] == table[:, index]).all()]
        if not equal:
            columns.append(index)
        same_as.append(equal[0] if equal else len(columns) - 1)
    return columns, same_as


def _weights(features: FloatArray, times: FloatArray) -> FloatArray:
    """Non-negative weights that give the least squares of relative errors (Lawson and Hanson, 1974)."""
    scale = np.maximum(features.max(axis=0), 1.0)
    weights = nonnegative(features / scale / times[:, None], np.ones(len(times)))
    return np.asarray(weights / scale)


def _held_out_error(features: FloatArray, times: FloatArray) -> float:
    """Root mean square of the relative errors of rows that were left out of the fit, a tenth of them at a time."""
    errors = np.empty(len(times))
    for fold in range(min(_FOLDS, len(times))):
        out = np.arange(len(times)) % _FOLDS == fold
        weights = _weights(features[~out], times[~out])
        errors[out] = (features[out] @ weights - times[out]) / times[out]
    return float(np.sqrt(np.mean(errors**2)))
