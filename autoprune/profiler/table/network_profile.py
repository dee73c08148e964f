"""What a table says of one network: which kernels it executes at any width, and how they add up."""

from __future__ import annotations

from dataclasses import dataclass

from autoprune.errors import BadInput
from autoprune.profiler.plan.blueprint import Blueprint
from autoprune.profiler.plan.kernel_plan import KernelPlan
from autoprune.profiler.table.rules import (
    LONGEST_MS,
    MOST_TIMES,
    STRICT,
    WIDEST,
    require,
    require_counts,
    require_not_negative,
    require_shares,
    require_times,
)
from autoprune.profiler.table.verification import Verification
from autoprune.space import ChannelGroup, Policy, SearchSpace


@dataclass(frozen=True, slots=True)
class ProfiledGroup:
    """One channel group, and the widths of it that were measured (ascending)."""

    __pydantic_config__ = STRICT

    name: str
    width: int
    unit: int
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        ascending = all(a < b for a, b in zip(self.widths, self.widths[1:], strict=False))
        require(
            bool(self.widths) and ascending and self.widths[0] > 0 and self.widths[-1] == self.width,
            f"group {self.name}: widths must be positive, ascend and end with {self.width}, got {list(self.widths)}",
        )
        require(self.width <= WIDEST, f"group {self.name}: width must be at most {WIDEST}, got {self.width}")
        require_counts(unit=self.unit)


@dataclass(frozen=True, slots=True)
class Anchor:
    """One copy of a network that was measured as a whole: its widths, and its time in ms."""

    __pydantic_config__ = STRICT

    widths: tuple[int, ...]
    ms: float

    def __post_init__(self) -> None:
        require_times(ms=self.ms)


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """What the device executes for any width of one network, and how its kernels add up.

    A copy whose kernels take s ms takes constant_ms + s (scale + crowding ln(s / dense_ms)), see
    `composition.Composition`. networks: copies that this was fitted on; mape: mean error on them, each
    predicted without what was measured in it. anchors: some of these copies, by which a later session
    knows how much slower or faster the machine is. unexplained: share of the kernels' time in places
    that follow no rule and are in the fit only.
    """

    __pydantic_config__ = STRICT

    name: str
    input_shape: tuple[int, ...]
    groups: tuple[ProfiledGroup, ...]
    plan: KernelPlan
    scale: float
    crowding: float
    constant_ms: float
    dense_ms: float
    anchors: tuple[Anchor, ...]
    networks: int
    mape: float
    unexplained: float
    verification: Verification | None = None

    def __post_init__(self) -> None:
        require_counts(networks=self.networks, **{f"input_shape[{i}]": n for i, n in enumerate(self.input_shape)})
        require_times(dense_ms=self.dense_ms)
        require(bool(self.anchors), "there must be an anchor")
        require(0 < self.scale <= MOST_TIMES, f"scale must lie in (0, {MOST_TIMES:g}], got {self.scale}")
        require(abs(self.crowding) <= MOST_TIMES, f"crowding must not exceed {MOST_TIMES:g}, got {self.crowding}")
        dense_ms = self.constant_ms + self.scale * self.dense_ms
        require(0 < dense_ms <= LONGEST_MS, f"the dense network must take a positive time, got {dense_ms}")
        require_not_negative(mape=self.mape)
        require_shares(unexplained=self.unexplained)
        require(bool(self.plan.sites), "the plan must have a kernel")
        beyond = [g for site in self.plan.sites for g in site.groups() if not 0 <= g < len(self.groups)]
        require(not beyond, f"a kernel depends on group {beyond[:1]} of {len(self.groups)}")
        space, verified = self.space, self.verification.rows if self.verification is not None else ()
        for widths in (*(anchor.widths for anchor in self.anchors), *(row.widths for row in verified)):
            space.check(Policy(widths))

    @property
    def space(self) -> SearchSpace:
        """The groups with the widths that were measured; which layers they are in, a table does not know."""
        return SearchSpace(tuple(ChannelGroup(g.name, g.width, g.widths, (), g.unit) for g in self.groups))

    def offered(self, space: SearchSpace) -> SearchSpace:
        """`space` with the widths that were measured; raises `BadInput` where its groups are others."""
        mine = [(group.name, group.width, group.unit) for group in self.groups]
        if mine != [(group.name, group.width, group.unit) for group in space.groups]:
            raise BadInput(f"the table's network {self.name} has other channel groups; profile this one")
        return space.with_widths([group.widths for group in self.groups])


def groups_of(blueprint: Blueprint) -> tuple[ProfiledGroup, ...]:
    """The groups of a blueprint, with the widths that it offers."""
    return tuple(ProfiledGroup(g.name, g.width, g.unit, g.widths) for g in blueprint.space.groups)
