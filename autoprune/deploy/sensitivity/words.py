"""A sensitivity analysis in words and rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autoprune.deploy.sensitivity.document import CutGroup, EqualCut, GroupLine, Sensitivity
from autoprune.deploy.words.amounts import counted, score_text
from autoprune.deploy.words.cells import Cell

_NAMED: Final = 3


def headline(found: Sensitivity) -> str:
    """The outcome in one line."""
    ranked, count = found.ranked, len(found.groups)
    if not ranked:
        return f"{counted(count, 'channel group')}: nothing that can be compared"
    most, least = ranked[0], ranked[-1]
    return (
        f"{most.group} is the most sensitive of {count} channel groups: saving {share(found)} of the MACs costs "
        f"{_kl(most)} nats there, {_kl(least)} in {least.group}"
    )


def conclusions(found: Sensitivity) -> tuple[str, ...]:
    """Which groups are the most and the least sensitive at equal MACs saved, and which cannot be told."""
    ranked = found.ranked
    apart = [line.group for line in found.groups if line.equal is None]
    told = []
    if ranked:
        few = min(_NAMED, len(ranked))
        told = [
            f"With {share(found)} of the MACs saved in one group, the most sensitive: {_listed(ranked[:few])}.",
            f"The least sensitive: {_listed(ranked[::-1][:few])}.",
        ]
    if apart:
        told.append(f"Groups that cannot save so much alone: {', '.join(apart)}.")
    return tuple(told)


def share(found: Sensitivity) -> str:
    """The MACs saved that groups are compared at, in percent."""
    return f"{100 * found.equal_macs_saved:.2g}%"


def _listed(lines: Sequence[GroupLine]) -> str:
    return ", ".join(f"{line.group} ({_kl(line)} nats)" for line in lines)


def _kl(line: GroupLine) -> str:
    assert line.equal is not None
    return divergence_text(line.equal.kl)


def divergence_text(kl: float) -> str:
    """A divergence in nats, two digits."""
    return f"{kl:.2g}" if kl >= 1e-4 or kl == 0 else f"{kl:.0e}"


def columns(found: Sensitivity) -> tuple[Cell, ...]:
    """Headings of the table's columns, the group's left out."""
    return (
        Cell("channels"),
        Cell("cut most", (f"{found.metric}, KL in nats",)),
        Cell(f"{share(found)} of the MACs saved", (f"{found.metric}, KL in nats",)),
        Cell("rank", ("1 is the most sensitive",)),
    )


def rows(found: Sensitivity) -> list[tuple[Cell, tuple[Cell, ...]]]:
    """The table in network order: each group's name and its cells."""
    rank = {line.group: i for i, line in enumerate(found.ranked, 1)}
    return [
        (
            Cell(line.group),
            (
                Cell(str(line.width)),
                _cut_cell(line.cuts[0], found.metric) if line.cuts else Cell("–"),
                _equal_cell(line.equal, found.metric),
                Cell(str(rank.get(line.group, "–"))),
            ),
        )
        for line in found.groups
    ]


def _cut_cell(cut: CutGroup, metric: str) -> Cell:
    if cut.score is None or cut.kl is None:
        return Cell("–", (f"to {cut.width}, answers NaN",))
    return Cell(score_text(cut.score, metric), (f"to {cut.width}, {divergence_text(cut.kl)}",))


def _equal_cell(equal: EqualCut | None, metric: str) -> Cell:
    if equal is None:
        return Cell("–")
    return Cell(score_text(equal.score, metric), (f"to {equal.width:.3g}, {divergence_text(equal.kl)}",))
