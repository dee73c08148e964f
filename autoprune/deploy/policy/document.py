"""policy.json: which channels a pruned network keeps."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from autoprune.deploy.document.base import Count, Document, Part, Positive
from autoprune.errors import BadInput
from autoprune.space import ChannelGroup, FrozenGroup, Policy, SearchSpace


class KeptGroup(Part):
    """One group's share of a policy: `width` of its `of` channels, namely the units `kept` (ascending, from 0).

    A unit is `width / len(kept)` channels that go in one piece: one channel, unless the layer is grouped.
    """

    width: Positive
    of: Positive
    kept: Annotated[tuple[Count, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unit, rest = divmod(self.width, len(self.kept))
        if rest or not unit or self.of % unit:
            raise ValueError(f"{len(self.kept)} kept units cannot make up {self.width} of {self.of} channels")
        if any(a >= b for a, b in itertools.pairwise(self.kept)):
            raise ValueError("kept units must ascend")
        if self.kept[-1] >= self.of // unit:
            raise ValueError(f"kept unit {self.kept[-1]} does not exist: there are {self.of // unit}, counted from 0")
        return self


class FrozenPart(Part):
    """Channels that were not prunable: how many, and why."""

    width: Positive
    reason: str


class PolicyFile(Document):
    """policy.json: which channels a pruned network keeps, and the dense network that they belong to."""

    COMMAND: ClassVar[str] = "autoprune search"
    schema_: Literal["autoprune.policy/1"] = Field("autoprune.policy/1", alias="schema")
    model: str = Field(description="name of the network, as the run's spec gave it")
    fingerprint: str = Field(description="of the dense network: its graph and its weights")
    criterion: str | None = Field(None, description="what ranked the channels; null in a file of an earlier version")
    groups: dict[str, KeptGroup]
    frozen: dict[str, FrozenPart] = Field(default_factory=dict, description="channels that no policy can remove")

    @classmethod
    def of(
        cls,
        model: str,
        fingerprint: str,
        space: SearchSpace,
        kept: Mapping[str, tuple[int, ...]],
        criterion: str | None = None,
    ) -> Self:
        """The file of the policy that keeps the units `kept` of each group of `space`, by name."""
        groups = {
            g.name: KeptGroup(width=len(kept[g.name]) * g.unit, of=g.width, kept=tuple(kept[g.name]))
            for g in space.groups
        }
        frozen = {g.name: FrozenPart(width=g.width, reason=g.reason) for g in space.frozen}
        return cls(model=model, fingerprint=fingerprint, criterion=criterion, groups=groups, frozen=frozen)

    def space(self) -> SearchSpace:
        """The groups that the file speaks of, each offering the width it keeps and the dense one."""
        groups = tuple(
            ChannelGroup(name, g.of, tuple(sorted({g.width, g.of})), (), g.width // len(g.kept))
            for name, g in self.groups.items()
        )
        return SearchSpace(groups, tuple(FrozenGroup(name, f.width, f.reason) for name, f in self.frozen.items()))

    def policy(self, space: SearchSpace) -> Policy:
        """The widths in the order of `space`'s groups; raises `BadInput` where `space` has other groups."""
        _require_groups(self.groups, space)
        return Policy(tuple(self.groups[g.name].width for g in space.groups))

    def check(self, fingerprint: str, space: SearchSpace) -> None:
        """Raise `BadInput` unless the policy belongs to the network of this fingerprint and `space`."""
        space.check(self.policy(space))
        if self.fingerprint != fingerprint:
            raise BadInput(
                f"this policy was found for {self.model} with fingerprint {self.fingerprint}, the network given has "
                f"{fingerprint}.\nGive the --model and --weights that were searched, or search again."
            )


def _require_groups(groups: Mapping[str, KeptGroup], space: SearchSpace) -> None:
    known = {g.name for g in space.groups}
    if odd := sorted(known ^ groups.keys()):
        where = "the network" if odd[0] in groups else "the policy"
        raise BadInput(f"the policy belongs to another network: {where} has no group {odd[0]!r}")
    for g in space.groups:
        held = groups[g.name]
        if (held.of, held.width) != (g.width, len(held.kept) * g.unit):
            raise BadInput(f"the policy belongs to another network: {_shape(held, g)}")


def _shape(held: KeptGroup, group: ChannelGroup) -> str:
    unit = held.width // len(held.kept)
    return (
        f"its group {group.name!r} has {held.of} channels in units of {unit}, the network's {group.width} "
        f"in units of {group.unit}"
    )
