"""The stair plot of a channel group in the terminal: a bar a width, so that one sees which cuts pay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from autoprune.cli.output import console
from autoprune.tables.words import NOT_WORTH, shape_text

if TYPE_CHECKING:
    from autoprune.profiler.table.network_profile import NetworkProfile
    from autoprune.profiler.table.stairs import Step

_WIDEST = 110
_SHORTEST_BAR = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WORTH, _NOT_WORTH, _BETWEEN = "◆", " ", "~"


def show_stairs(network: NetworkProfile, group: str, steps: Sequence[Step]) -> None:
    """Time against width, the largest width on top; full bars and ◆ are the widths worth offering."""
    out = console()
    out.print(
        f"[bold]{escape(group)}[/] of {escape(network.name)}, input {shape_text(network.input_shape)}: "
        "time of all kernels that depend on it, by the channels kept (the other groups dense)\n"
    )
    for line in bars(steps, min(out.width, _WIDEST)):
        style = "green" if _WORTH in line else "dim"
        out.print(f"[{style}]{line}[/]", no_wrap=True)
    offered = sum(step.worth_offering for step in steps)
    out.print(f"\n{_WORTH} {offered} of {len(steps)} widths are worth offering; {NOT_WORTH}.")
    out.print("± is the standard error.")
    if any(step.interpolated for step in steps):
        out.print(f"{_BETWEEN} part of the time, or all of it, is interpolated between measured kernels.")


def bars(steps: Sequence[Step], columns: int) -> list[str]:
    """One line a width of at most `columns` characters: channels, ms, its standard error, marks, and a bar from 0.

    `steps` ascend; the largest comes first.
    """
    known = [step for step in steps if math.isfinite(step.ms)]
    most = max((step.ms for step in known), default=0.0)
    digits = max(0, 3 - math.floor(math.log10(most))) if most > 0 else 0
    heads = [_head(step, digits) for step in reversed(steps)]
    widest = [max(len(head[column]) for head in heads) for column in range(len(heads[0]))]
    lines = []
    for head, step in zip(heads, reversed(steps), strict=True):
        text = "  ".join(part.rjust(width) for part, width in zip(head, widest, strict=True)) + " "
        room = max(columns - len(text), _SHORTEST_BAR)
        lines.append((text + _bar(step, room, most))[:columns].rstrip())
    return lines


def _head(step: Step, digits: int) -> tuple[str, str, str]:
    between = _BETWEEN if step.interpolated else " "
    marks = between + (_WORTH if step.worth_offering else _NOT_WORTH)
    if not math.isfinite(step.ms):
        return str(step.width), "not known", marks
    return str(step.width), f"{step.ms:.{digits}f} ± {step.error_ms:.{digits}f} ms", marks


def _bar(step: Step, room: int, most: float) -> str:
    """A bar of up to `room` characters: solid and exact to an eighth where the width is worth offering, else shaded."""
    if not math.isfinite(step.ms) or not most:
        return ""
    eighths = round(8 * room * step.ms / most)
    if step.worth_offering:
        return _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    return "░" * round(eighths / 8)
