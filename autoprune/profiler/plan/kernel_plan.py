"""The kernel plan: what the runtime executes for any policy, learnt from what it executed for some; free of torch.

A runtime pads channels to blocks, chooses layouts by width and puts reorders between them. All of
it is observed, none assumed: every site of the optimised graph gets the simplest axes, and the
simplest rule for when it is there at all, that explain every network seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoprune.cost import Extent, Kernel
from autoprune.errors import AutopruneError
from autoprune.profiler.plan.extents import Axis, Length, Region, Units, explanations, find_region, length_at, lengths
from autoprune.profiler.runtime.executed import Execution


class Ambiguous(AutopruneError):
    """The networks seen so far allow several plans; more have to be looked at."""


@dataclass(frozen=True, slots=True)
class Presence:
    """When a site is there: where `extent` lies in `region`."""

    extent: Extent
    region: Region

    def __call__(self, units: Sequence[int]) -> bool:
        """Whether the site is there when group g keeps `units[g]` units."""
        return self.extent.at(units) in self.region


@dataclass(frozen=True, slots=True)
class PlannedSite:
    """One operator of the optimised graph as a function of the policy; without `presence` it is always there.

    Two sites may share a name: a place whose operator depends on the policy (fused here, plain there).
    """

    name: str
    op: str
    inputs: tuple[tuple[Length, ...], ...]
    outputs: tuple[tuple[Length, ...], ...]
    presence: Presence | None = None

    @property
    def key(self) -> str:
        """What tells sites of one plan apart."""
        return f"{self.name} as {self.op}"

    def kernel(self, units: Sequence[int]) -> Kernel | None:
        """What is executed when group g keeps `units[g]` units; None where the runtime needs no such operator."""
        if self.presence is not None and not self.presence(units):
            return None

        def shapes(tensors: tuple[tuple[Length, ...], ...]) -> tuple[tuple[int, ...], ...]:
            return tuple(tuple(length_at(axis, units) for axis in tensor) for tensor in tensors)

        return Kernel(self.op, shapes(self.inputs), shapes(self.outputs))

    def may_execute(self, kernel: Kernel) -> bool:
        """Whether `kernel` has the operator of this site, and its lengths where no policy changes them."""
        mine, given = self.inputs + self.outputs, kernel.inputs + kernel.outputs
        return (
            kernel.op == self.op
            and [len(tensor) for tensor in mine] == [len(tensor) for tensor in given]
            and all(
                a == b
                for x, y in zip(mine, given, strict=True)
                for a, b in zip(x, y, strict=True)
                if isinstance(a, int)
            )
        )

    def groups(self) -> tuple[int, ...]:
        """Indices of the groups that this site depends on, ascending."""
        return tuple(sorted({group for extent in self.extents() for group, _ in extent.terms}))

    def extents(self) -> tuple[Extent, ...]:
        """The distinct lengths that this site depends on, before any rounding up to blocks."""
        extents = [axis.extent for tensor in self.inputs + self.outputs for axis in tensor if isinstance(axis, Axis)]
        if self.presence is not None:
            extents.append(self.presence.extent)
        return tuple(dict.fromkeys(extents))

    def varying(self) -> tuple[tuple[int, int], ...]:
        """The (tensor, axis) pairs whose length the policy changes; inputs are counted before outputs."""
        tensors = self.inputs + self.outputs
        return tuple((t, a) for t, axes in enumerate(tensors) for a, axis in enumerate(axes) if isinstance(axis, Axis))


@dataclass(frozen=True)
class KernelPlan:
    """All sites of one network; `unexplained` holds the (name, operator) of those in no prediction."""

    sites: tuple[PlannedSite, ...]
    unexplained: tuple[tuple[str, str], ...] = ()

    def kernels(self, units: Sequence[int]) -> list[Kernel]:
        """What is executed when group g keeps `units[g]` units, one kernel a site that is there."""
        return [kernel for site in self.sites if (kernel := site.kernel(units)) is not None]


def make_plan(
    executions: Sequence[Execution], units: Units, candidates: Sequence[Extent], *, settle: bool = False
) -> KernelPlan:
    """The plan that explains `executions`, one a policy in `units` [n, groups], with axes made of `candidates`.

    Raises `Ambiguous` where they allow several, unless `settle` says that no more can be seen:
    then the first explanation counts (they agree on every policy seen).
    """
    seen: dict[tuple[str, str], dict[int, Kernel]] = {}
    for index, execution in enumerate(executions):
        for executed in execution.sites:
            seen.setdefault((executed.name, executed.kernel.op), {})[index] = executed.kernel
    reader = _Reader(units, candidates, settle)
    sites, unexplained = [], []
    for (name, op), kernels in seen.items():
        site = reader.site(name, op, kernels)
        if site is None:
            unexplained.append((name, op))
        else:
            sites.append(site)
    return KernelPlan(tuple(sites), tuple(sorted(unexplained)))


@dataclass(frozen=True)
class _Reader:
    """Finds the axes and the presence of one site after another."""

    units: Units
    candidates: Sequence[Extent]
    settle: bool

    def site(self, name: str, op: str, kernels: dict[int, Kernel]) -> PlannedSite | None:
        """The site whose kernel in network i was `kernels[i]`; None where nothing explains it."""
        where = sorted(kernels)
        tensors = [kernels[i].inputs + kernels[i].outputs for i in where]
        if len({tuple(map(len, shapes)) for shapes in tensors}) > 1:
            return None
        axes = []
        for tensor in range(len(tensors[0])):
            found = [self._axis(name, where, [t[tensor][a] for t in tensors]) for a in range(len(tensors[0][tensor]))]
            if None in found:
                return None
            axes.append(tuple(axis for axis in found if axis is not None))
        presence = None
        if len(where) < len(self.units):
            presence = self._presence(name, where, axes)
            if presence is None:
                return None
        n_inputs = len(kernels[where[0]].inputs)
        return PlannedSite(name, op, tuple(axes[:n_inputs]), tuple(axes[n_inputs:]), presence)

    def _axis(self, name: str, where: list[int], observed: list[int]) -> Length | None:
        found = explanations(observed, self.units[where], self.candidates)
        if len(found) > 1 and not self.settle:
            raise Ambiguous(f"{name}: {len(found)} axes explain {observed}")
        return found[0] if found else None

    def _presence(self, name: str, where: list[int], axes: list[tuple[Length, ...]]) -> Presence | None:
        there = np.zeros(len(self.units), dtype=bool)
        there[where] = True
        own = {axis.extent for tensor in axes for axis in tensor if isinstance(axis, Axis)}
        # Whether a reorder is needed depends on the channels it reorders, so its own extents are tried first.
        for extents in (sorted(own, key=repr), [c for c in self.candidates if c not in own]):
            found = [rule for extent in extents if (rule := _rule(extent, lengths(extent, self.units), there))]
            if len(found) > 1 and not self.settle:
                raise Ambiguous(f"{name}: {len(found)} rules explain where it is")
            if found:
                return found[0]
        return None


def _rule(extent: Extent, given: Units, there: NDArray[np.bool_]) -> Presence | None:
    """The rule on `extent` (its lengths `given` [n]) that gives `there` [n] exactly."""
    region = find_region(given, there)
    return None if region is None else Presence(extent, region)
