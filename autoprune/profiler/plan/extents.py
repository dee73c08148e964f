"""Reading lengths back: which affine function of the policy explains what was observed; free of torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import Extent

Units = NDArray[np.int64]

# Blocks of channels that runtimes round up to: NCHWc convolutions pad to 8 or 16 (AVX2, AVX-512), GPUs to 8 or 32.
_BLOCKS = (4, 8, 16, 32)
_STEPS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Region:
    """Lengths that a runtime treats alike: multiples of `step` from `least` on, without those that `but` holds."""

    least: int = 0
    step: int = 1
    but: Region | None = None

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ValueError(f"a region's step must be at least 1, got {self.step}")

    @property
    def traits(self) -> int:
        """How many things have to be said to describe it."""
        return (self.least > 0) + (self.step > 1) + (self.but.traits if self.but is not None else 0)

    def __contains__(self, length: int) -> bool:
        return length >= self.least and length % self.step == 0 and (self.but is None or length not in self.but)


@dataclass(frozen=True, slots=True)
class Axis:
    """Length of an axis as the runtime executes it: an extent, in `blocked` rounded up to a multiple of `block`."""

    extent: Extent
    block: int = 1
    blocked: Region = Region()

    def __post_init__(self) -> None:
        if self.block < 1:
            raise ValueError(f"an axis' block must be at least 1, got {self.block}")

    def at(self, units: Sequence[int]) -> int:
        """The length when group g keeps `units[g]` of its units."""
        length = self.extent.at(units)
        return -(-length // self.block) * self.block if length in self.blocked else length


Length = int | Axis
"""Length of one axis of one tensor: fixed, or a function of the policy."""


def length_at(length: Length, units: Sequence[int]) -> int:
    """The length when group g keeps `units[g]` of its units."""
    return length if isinstance(length, int) else length.at(units)


def lengths(extent: Extent, units: Units) -> Units:
    """`extent` under many policies: units [n, groups] -> lengths [n]."""
    total = np.full(len(units), extent.fixed, dtype=np.int64)
    for group, positions in extent.terms:
        total += positions * units[:, group]
    return total


def explanations(observed: Sequence[int], units: Units, candidates: Sequence[Extent]) -> list[Length]:
    """The simplest axes that give `observed` [n] exactly under the policies `units` [n, groups].

    Tried in this order: a fixed length, a candidate, a candidate rounded up to a block, an affine
    function of a candidate. Empty where nothing fits; more than one where the policies cannot tell.
    """
    values = np.asarray(observed, dtype=np.int64)
    if (values == values[0]).all():
        return [int(values[0])]
    known = [(candidate, lengths(candidate, units)) for candidate in candidates]
    exact: list[Length] = [Axis(candidate) for candidate, given in known if (given == values).all()]
    if exact:
        return exact
    rounded: list[Length] = [axis for candidate, given in known for axis in _rounded(candidate, given, values)]
    affine = (axis for candidate, given in known for axis in _affine(candidate, given, values))
    return rounded or list(dict.fromkeys(affine))


def _rounded(candidate: Extent, given: Units, values: Units) -> Iterator[Axis]:
    for block in _BLOCKS:
        full = -(-given // block) * block
        if ((values == given) | (values == full)).all():
            told = given != full
            blocked = find_region(given[told], (values == full)[told])
            if blocked is not None:
                yield Axis(candidate, block, blocked)
                return


def find_region(given: Units, inside: NDArray[np.bool_]) -> Region | None:
    """The plainest region with `given[i]` in it where `inside[i]` [n], and not elsewhere; None where there is none."""
    within, without = set(given[inside].tolist()), set(given[~inside].tolist())
    if within & without:
        return None
    found = []
    for step, excepted in itertools.product(_STEPS, (None, *_STEPS)):
        but = _region_clear_of(within, excepted) if excepted else None
        region = Region(_least(within, without, step, but), step, but)
        if all(length in region for length in within) and not any(length in region for length in without):
            found.append(region)
    return min(found, key=lambda region: region.traits, default=None)


def _least(within: set[int], without: set[int], step: int, but: Region | None) -> int:
    """The smallest start of a region of `step` that leaves out the lengths `without` below all those `within`."""
    first = min(within, default=max(without, default=0) + 1)
    below = [n for n in without if n < first and n % step == 0 and (but is None or n not in but)]
    return max(below) + 1 if below else 0


def _region_clear_of(lengths_kept: set[int], step: int) -> Region:
    """The largest region of multiples of `step` that holds none of `lengths_kept`."""
    return Region(max((n for n in lengths_kept if n % step == 0), default=-1) + 1, step)


def _affine(candidate: Extent, given: Units, values: Units) -> Iterator[Axis]:
    low, high = int(given.argmin()), int(given.argmax())
    run, rise = int(given[high] - given[low]), int(values[high] - values[low])
    if run == 0 or rise % run or rise == 0:
        return
    slope = rise // run
    offset = int(values[low]) - slope * int(given[low])
    if (offset + slope * given == values).all():
        terms = tuple((group, slope * positions) for group, positions in candidate.terms)
        yield Axis(Extent(offset + slope * candidate.fixed, terms))


def telling_apart(candidates: Sequence[Extent], units: Units) -> bool:
    """Whether no candidate is an affine function of another one under the policies `units` [n, groups].

    Candidates that are so under every policy (the same groups in the same proportions) count as one.
    """
    distinct = {_direction(c): c for c in candidates if c.terms}
    table = np.array([lengths(c, units) for c in distinct.values()], dtype=np.float64).reshape(
        len(distinct), len(units)
    )
    centred = table - table.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(centred, axis=1)
    if (sizes == 0).any():
        return False
    directions = centred / sizes[:, None]
    cosines = np.abs(directions @ directions.T)
    np.fill_diagonal(cosines, 0.0)
    return bool((cosines < 1 - 1e-9).all())


def _direction(extent: Extent) -> tuple[tuple[int, int], ...]:
    scale = math.gcd(*(positions for _, positions in extent.terms))
    return tuple((group, positions // scale) for group, positions in sorted(extent.terms))


def single_groups(unit_sizes: Sequence[int]) -> list[Extent]:
    """The plainest candidates: the channels of each group, given the channels in its unit, and its units."""
    channels = [Extent(0, ((group, size),)) for group, size in enumerate(unit_sizes)]
    units = [Extent(0, ((group, 1),)) for group, size in enumerate(unit_sizes) if size > 1]
    return channels + units
