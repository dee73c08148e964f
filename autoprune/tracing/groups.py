"""From labels to channel groups: which classes of labels form one group, and where each lies in every parameter."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import Extent
from autoprune.space import ChannelGroup, FrozenGroup
from autoprune.tracing.labels import NO_LABEL, LabelArray
from autoprune.tracing.padding import PadCall, Padding
from autoprune.tracing.tape import OUTPUT, Tape

IntArray = NDArray[np.integer[Any]]
_Places = tuple[tuple[str, int, int], ...]  # parameter, axis, and how often a class of labels lies there


@dataclass(frozen=True, slots=True)
class SliceAxis:
    """One axis of one parameter or buffer, and to which group and unit each of its positions belongs.

    `group` and `unit` are int arrays [size]; group is -1 where the position is never removed.
    `contracted` says that the axis is summed over: the layer consumes these channels.
    """

    parameter: str
    axis: int
    group: IntArray
    unit: IntArray
    contracted: bool

    def kept(self, kept_units: list[NDArray[np.bool_]]) -> IntArray:
        """Positions that stay, ascending, when group g keeps the units marked in `kept_units[g]`."""
        return _kept(self.group, self.unit, kept_units)


@dataclass(frozen=True, slots=True)
class PaddedAxis:
    """The channels that one padding call makes, and to which group and unit each belongs.

    `group` and `unit` are int arrays [before + C + after]; group is -1 where the position is never removed.
    """

    call: PadCall
    padding: Padding
    group: IntArray
    unit: IntArray

    def kept(self, kept_units: list[NDArray[np.bool_]]) -> Padding:
        """The padding that is left when group g keeps the units marked in `kept_units[g]`."""
        stays = _kept(self.group, self.unit, kept_units)
        before = int((stays < self.padding.before).sum())
        after = int((stays >= len(self.group) - self.padding.after).sum())
        return replace(self.padding, before=before, after=after)


def _kept(group: IntArray, unit: IntArray, kept_units: list[NDArray[np.bool_]]) -> IntArray:
    stays = np.ones(len(group), dtype=bool)
    for g in np.unique(group):
        if g >= 0:
            own = group == g
            stays[own] = kept_units[g][unit[own]]
    return np.flatnonzero(stays)


class Membership:
    """Which (group, unit) each class of labels is; classes in no group are never removed."""

    def __init__(self, classes: dict[int, tuple[int, int]]) -> None:
        self._classes = classes

    def of(self, roots: LabelArray) -> tuple[IntArray, IntArray]:
        """Group and unit of each class in `roots` (same shape), -1 where it is in no group."""
        pairs = [self._classes.get(root, (-1, -1)) for root in roots.ravel().tolist()]
        both = np.array(pairs, dtype=np.int64).reshape(*roots.shape, 2)
        return both[..., 0], both[..., 1]

    def extent(self, roots: LabelArray) -> Extent:
        """Length of an axis with these classes as a function of the policy."""
        group, unit = self.of(roots.ravel())
        terms = []
        for g in np.unique(group[group >= 0]).tolist():
            counts = np.bincount(unit[group == g])
            terms.append((g, int(counts.max())))
        return Extent(int((group < 0).sum()), tuple(terms))


def find_groups(tape: Tape, barred: dict[str, str]) -> tuple[list[ChannelGroup], list[FrozenGroup], Membership]:
    """Gather the tape's label classes into groups, in the order in which data reaches them.

    Classes that lie on the same axes of the same parameters, equally often, and are made or passed on
    by the same padding calls, are one group. A group named in `barred` (name -> reason) is frozen for
    that reason.
    """
    places, padded = _places(tape), _padded_places(tape)
    members: dict[tuple[_Places, tuple[PadCall, ...]], list[int]] = defaultdict(list)
    for root, axes in places.items():
        lies_on = tuple(sorted((name, axis, n) for (name, axis), n in axes.items()))
        members[lies_on, tuple(padded[root])].append(root)
    order = {name: i for i, name in enumerate(tape.used)}
    ranked = sorted(members.items(), key=lambda item: (min(order[n] for n, _, _ in item[0][0]), item[1][0]))
    groups: list[ChannelGroup] = []
    frozen: dict[str, FrozenGroup] = {}
    classes: dict[int, tuple[int, int]] = {}
    names: Counter[str] = Counter()
    for (key, _), roots in ranked:
        producer = _producer(tape, key, order)
        if producer is None:
            continue
        parameter, unit = producer
        name = _unique(_layer(parameter), names)
        reason = barred.get(name) or _why_fixed(tape, roots)
        if reason is None and len(roots) > 1:
            classes.update({root: (len(groups), i) for i, root in enumerate(sorted(roots))})
            layers = tuple(dict.fromkeys(_layer(n) for n in tape.used if n in {k[0] for k in key}))
            width = unit * len(roots)
            groups.append(ChannelGroup(name, width, tuple(range(unit, width + 1, unit)), layers, unit))
        elif reason != OUTPUT:
            text = reason or "all of its channels hang together in one piece"
            frozen[name] = FrozenGroup(name, unit * len(roots), text)
    return groups, _merged(list(frozen.values())), Membership(classes)


def _places(tape: Tape) -> dict[int, Counter[tuple[str, int]]]:
    """For each class of labels: on which parameter axes it lies, and how often."""
    places: dict[int, Counter[tuple[str, int]]] = defaultdict(Counter)
    for name in tape.used:
        for axis, own in tape.axes[name].items():
            for root in tape.labels.find(own).tolist():
                if root != NO_LABEL:
                    places[root][name, axis] += 1
    return places


def _padded_places(tape: Tape) -> dict[int, list[PadCall]]:
    """For each class of labels: which padding calls it comes out of, once for each of its positions there."""
    places: dict[int, list[PadCall]] = defaultdict(list)
    for call, (_, own) in tape.pads.items():
        for root in tape.labels.find(own).tolist():
            places[root].append(call)
    return places


def _producer(tape: Tape, key: _Places, order: dict[str, int]) -> tuple[str, int] | None:
    """The first weight whose output these channels are, with positions per class; None if nothing makes them."""
    made = [
        (order[name], name, n)
        for name, axis, n in key
        if (name, axis) not in tape.contracted and axis <= 1 and len(tape.shapes[name]) >= 2 and name in tape.multiplied
    ]
    if not made:
        return None
    _, name, n = min(made)
    return name, n


def _why_fixed(tape: Tape, roots: list[int]) -> str | None:
    reasons = [reason for root in roots if (reason := tape.labels.reason(root))]
    return reasons[0] if reasons else None


def _layer(parameter: str) -> str:
    return parameter.rpartition(".")[0] or parameter


def _unique(name: str, seen: Counter[str]) -> str:
    """Names of several groups made by one layer get a number: features, features#2, ..."""
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}#{seen[name]}"


def _merged(frozen: list[FrozenGroup]) -> list[FrozenGroup]:
    """Channels of one layer frozen for one reason are one entry."""
    merged: dict[tuple[str, str], FrozenGroup] = {}
    for group in frozen:
        key = (group.name.partition("#")[0], group.reason)
        known = merged.get(key)
        merged[key] = FrozenGroup(key[0], group.width + (known.width if known else 0), group.reason)
    return list(merged.values())


def slice_axes(tape: Tape, membership: Membership) -> tuple[SliceAxis, ...]:
    """Every parameter axis that some group reaches."""
    found = []
    for name, axes in tape.axes.items():
        for axis, own in axes.items():
            group, unit = membership.of(tape.labels.find(own))
            if (group >= 0).any():
                found.append(SliceAxis(name, axis, group, unit, (name, axis) in tape.contracted))
    return tuple(found)


def padded_axes(tape: Tape, membership: Membership) -> tuple[PaddedAxis, ...]:
    """Every padding call that some group reaches."""
    found = []
    for call, (padding, own) in tape.pads.items():
        group, unit = membership.of(tape.labels.find(own))
        if (group >= 0).any():
            found.append(PaddedAxis(call, padding, group, unit))
    return tuple(found)
