"""sensitivity.json: what cutting each channel group alone does to a network, all others whole."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from autoprune.deploy.document.base import Amount, Count, Number, Part, Positive, Share, TaskDocument

# Groups are compared at half of the saving that nine in ten of them can reach.
_COMMON: Final = 0.5
_UNABLE: Final = 0.1


class CutGroup(Part):
    """The network when one group alone keeps `width` channels; a score that is not a number is null."""

    width: Positive
    score: Number | None = Field(description="the task's metric on the validation split")
    agreement: Number | None = Field(description="share of images classified as the dense network does")
    kl: Amount | None = Field(description="KL(dense || cut) of the outputs, nats")
    macs_saved: Number = Field(description="share of the dense network's MACs")
    latency_saved: Number | None = Field(description="share of its predicted latency; null where no table was read")


class EqualCut(Part):
    """A group cut until the network has saved as many MACs as in every other line; between widths, interpolated."""

    width: Annotated[float, Field(gt=0)]
    score: Number
    kl: Amount


class GroupLine(Part):
    """One channel group."""

    group: str
    width: Positive = Field(description="channels in the dense network")
    cuts: tuple[CutGroup, ...] = Field(description="by width, ascending; the dense one left out")
    equal: EqualCut | None = Field(description="at equal MACs saved; null where the group cannot save so much")


class Sensitivity(TaskDocument):
    """sensitivity.json, schema autoprune.sensitivity/1."""

    COMMAND: ClassVar[str] = "autoprune sensitivity"
    schema_: Literal["autoprune.sensitivity/1"] = Field("autoprune.sensitivity/1", alias="schema")
    images: Count = Field(description="of the validation split")
    dense_score: Number
    dense_macs: Count
    equal_macs_saved: Share = Field(description="share of the dense network's MACs that groups are compared at")
    groups: tuple[GroupLine, ...] = Field(description="in the order in which data reaches them")

    @property
    def ranked(self) -> list[GroupLine]:
        """The groups that can be compared, the most sensitive first: by KL at equal MACs saved."""
        return sorted((line for line in self.groups if line.equal), key=_divergence, reverse=True)


def _divergence(line: GroupLine) -> float:
    assert line.equal is not None
    return line.equal.kl


def common_saving(lines: tuple[GroupLine, ...]) -> float:
    """The share of MACs that groups are compared at: half of what nine in ten can save, when cut the most."""
    largest = [max((cut.macs_saved for cut in line.cuts), default=0.0) for line in lines]
    return max(0.0, _COMMON * float(np.quantile(largest, _UNABLE, method="lower"))) if largest else 0.0


def at_saving(line: GroupLine, saving: float, dense_score: float) -> EqualCut | None:
    """The group cut until `saving` of the MACs is saved, interpolated between the widths that were tried.

    Positive and score are taken linearly, the divergence by its root: around the dense network it
    grows with the square of what is changed. None where the group cannot save so much, or where
    nothing that was tried has a finite score.
    """
    cuts = sorted((cut for cut in line.cuts if cut.kl is not None), key=lambda cut: cut.macs_saved)
    if not cuts or not 0 < saving <= cuts[-1].macs_saved:
        return None
    saved = [0.0, *(cut.macs_saved for cut in cuts)]

    def read(dense: float, values: list[float]) -> float:
        return float(np.interp(saving, saved, [dense, *values]))

    return EqualCut(
        width=read(line.width, [cut.width for cut in cuts]),
        score=read(dense_score, [cut.score for cut in cuts if cut.score is not None]),
        kl=read(0.0, [math.sqrt(cut.kl) for cut in cuts if cut.kl is not None]) ** 2,
    )
