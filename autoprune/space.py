"""Which widths a network may take: channel groups, the space of policies, one policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from autoprune.errors import BadInput

_MOST_NAMED = 4  # groups in an error


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels that can only be removed together ("group" in DepGraph, Fang et al., CVPR 2023).

    `name` is the qualified name of the layer that produces the channels, `width` their number in
    the dense network, `widths` the numbers worth keeping (ascending, the last is `width`),
    `layers` the producers and consumers, and `unit` the channels that go in one piece (more than
    1 for grouped convolutions and group norms).
    """

    name: str
    width: int
    widths: tuple[int, ...]
    layers: tuple[str, ...]
    unit: int = 1

    def __post_init__(self) -> None:
        if not self.widths or self.widths[-1] != self.width:
            raise BadInput(f"group {self.name}: the last of its widths must be {self.width}, got {self.widths}")
        if any(a >= b for a, b in zip(self.widths, self.widths[1:], strict=False)) or self.widths[0] < 1:
            raise BadInput(f"group {self.name}: widths must be positive and ascend, got {self.widths}")
        if any(w % self.unit for w in self.widths):
            raise BadInput(f"group {self.name}: widths must be multiples of its unit {self.unit}, got {self.widths}")

    def nearest(self, ratio: float) -> int:
        """The offered width closest to `ratio` (kept, in [0, 1]) of the dense width; ties go to the larger."""
        target = ratio * self.width
        return min(self.widths, key=lambda w: (abs(w - target), -w))


@dataclass(frozen=True, slots=True)
class FrozenGroup:
    """Channels that could not be made prunable, and why, in words for the user."""

    name: str
    width: int
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Channels kept per group, in the order of the space's groups.

    Integers are the truth, ratios are not. Each group's channels are ranked once, so a width also
    says which ones are kept: the kept sets of a group are nested.
    """

    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(w < 1 for w in self.widths):
            raise BadInput(f"a policy keeps at least one channel in every group, got {self.widths}")


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """The channel groups of one network, in the order in which data reaches them."""

    groups: tuple[ChannelGroup, ...]
    frozen: tuple[FrozenGroup, ...] = ()

    def __post_init__(self) -> None:
        names = [g.name for g in self.groups]
        if len(set(names)) != len(names):
            raise BadInput(f"group names must be unique, got {sorted(n for n in names if names.count(n) > 1)}")

    def __len__(self) -> int:
        return len(self.groups)

    def policy(self, ratios: Sequence[float]) -> Policy:
        """The policy nearest to kept `ratios`, one in [0, 1] per group."""
        if len(ratios) != len(self.groups):
            raise BadInput(f"expected {len(self.groups)} ratios, one a group, got {len(ratios)}")
        if not all(math.isfinite(r) and 0 <= r <= 1 for r in ratios):
            raise BadInput(f"kept ratios lie in [0, 1], got {list(ratios)}")
        return Policy(tuple(g.nearest(r) for g, r in zip(self.groups, ratios, strict=True)))

    def ratios(self, policy: Policy) -> tuple[float, ...]:
        """Kept share of each group's channels, in (0, 1]."""
        return tuple(w / g.width for w, g in zip(policy.widths, self.groups, strict=True))

    def dense(self) -> Policy:
        """The policy that removes nothing."""
        return Policy(tuple(g.width for g in self.groups))

    def smallest(self) -> Policy:
        """The policy that keeps each group's smallest offered width."""
        return Policy(tuple(g.widths[0] for g in self.groups))

    def check(self, policy: Policy) -> None:
        """Raise `BadInput` unless `policy` has one legal width a group (any multiple of the unit)."""
        if len(policy.widths) != len(self.groups):
            raise BadInput(f"the policy has {len(policy.widths)} widths, the network has {len(self.groups)} groups")
        for w, g in zip(policy.widths, self.groups, strict=True):
            if w > g.width or w % g.unit:
                raise BadInput(f"group {g.name}: width {w} must be a multiple of {g.unit} and at most {g.width}")

    def keeping_whole(self, patterns: Sequence[str]) -> SearchSpace:
        """The same groups, those that a pattern names offering their dense width only.

        `layer1.*` names every group whose channels are produced in layer1 (shell patterns, as of `fnmatch`).
        Raises `BadInput` for a pattern that names no group.
        """
        for pattern in patterns:
            if not any(fnmatchcase(group.name, pattern) for group in self.groups):
                some = ", ".join(group.name for group in self.groups[:_MOST_NAMED])
                raise BadInput(f"{pattern!r} is no channel group to keep whole; there are {len(self)}: {some}, ...")
        return self.with_widths(
            [
                (group.width,) if any(fnmatchcase(group.name, pattern) for pattern in patterns) else group.widths
                for group in self.groups
            ]
        )

    def with_widths(self, widths: Sequence[Sequence[int]]) -> SearchSpace:
        """The same groups offering other widths."""
        groups = tuple(replace(g, widths=tuple(w)) for g, w in zip(self.groups, widths, strict=True))
        return replace(self, groups=groups)
