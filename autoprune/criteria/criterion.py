"""What a criterion is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor

from autoprune.criteria.evidence import Evidence
from autoprune.criteria.ranking import Ranking
from autoprune.errors import BadInput
from autoprune.spec import DEFAULT_CRITERION, known_criterion

Score = Callable[[Evidence], Tensor]
"""What every unit of a group is worth, float64 [units]: higher is more important."""

FAMILIES: Final = ("weights", "gradients", "curvature", "activations", "reconstruction", "discrimination")


class Need(Flag):
    """What a criterion has to know of a group."""

    WEIGHTS = auto()
    NORMS = auto()
    MOMENTS = auto()
    ACTIVATIONS = auto()
    GRADIENTS = auto()
    CURVATURE = auto()
    MOVEMENT = auto()
    LABELS = auto()

    @property
    def words(self) -> tuple[str, ...]:
        """Each need by its name."""
        return tuple(str(need.name).lower() for need in self)


_UNWATCHED: Final = "something else than convolutions and linear layers reads it"
# What a group lacks that cannot be told of it.
_LACKING: Final = MappingProxyType(
    {
        Need.NORMS: "no batch norm with weights lies over its channels",
        Need.MOMENTS: "no layer that reads it can be refitted",
        Need.ACTIVATIONS: _UNWATCHED,
        Need.GRADIENTS: _UNWATCHED,
    }
)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One way to say which units of a group matter, with the paper it is from.

    `score` is its formula. A criterion that makes its damage on the way has a `ranking` of its own.
    One that is `partial` answers for groups that lack what it needs too, as its docstring says.
    """

    name: str
    family: str
    score: Score
    needs: Need
    source: str
    summary: str
    ranking: Callable[[Evidence], Ranking] | None = None
    partial: bool = False

    def scores(self, evidence: Evidence) -> Tensor:
        """Float64 [units]; raises `BadInput` where the criterion has no answer for the group."""
        self._require_answer(evidence)
        found = self.score(evidence)
        if not bool(torch.isfinite(found).all()):
            raise BadInput(
                f"criterion {self.name} gives {evidence.group} scores that are not finite; check the network's weights"
            )
        return found

    def rank(self, evidence: Evidence) -> Ranking:
        """The units in ascending order of their scores, equals by number, and the damage on the way."""
        if self.ranking is not None:
            self._require_answer(evidence)
            return self.ranking(evidence)
        return Ranking.of(self.scores(evidence), evidence)

    def _require_answer(self, evidence: Evidence) -> None:
        has = {
            Need.NORMS: evidence.scales,
            Need.MOMENTS: evidence.consumers,
            Need.ACTIVATIONS: evidence.read_by,
            Need.GRADIENTS: evidence.read_by,
        }
        lacking = [why for need, why in _LACKING.items() if need in self.needs and not has[need]]
        if lacking and not self.partial:
            raise BadInput(
                f"criterion {self.name} cannot rank {evidence.group}: {lacking[0]}; leave the group whole "
                f"(--keep {evidence.group}) or give another --criterion"
            )


_FOUND: dict[str, Criterion] = {}


def criterion(
    name: str,
    *,
    needs: Need,
    source: str,
    ranking: Callable[[Evidence], Ranking] | None = None,
    partial: bool = False,
) -> Callable[[Score], Score]:
    """Registers a function as the criterion `name`; the first line of its docstring is the summary."""

    def register(score: Score) -> Score:
        family, summary = score.__module__.rpartition(".")[2], (score.__doc__ or "").partition("\n")[0]
        _FOUND[name] = Criterion(name, family, score, needs, source, summary.rstrip("."), ranking, partial)
        return score

    return register


@cache
def criteria() -> MappingProxyType[str, Criterion]:
    """Every criterion by name, family by family."""
    for family in FAMILIES:
        import_module(f"autoprune.criteria.{family}")
    return MappingProxyType({name: one for family in FAMILIES for name, one in _FOUND.items() if one.family == family})


def find_criterion(name: str = DEFAULT_CRITERION) -> Criterion:
    """The criterion `name`; raises `BadInput` where there is none of it."""
    return criteria()[known_criterion(name)]


def needs_of(chosen: Sequence[Criterion]) -> Need:
    """What has to be known for all of these."""
    union = Need.WEIGHTS
    for one in chosen:
        union |= one.needs
    return union
