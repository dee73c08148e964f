"""Tables as the screen and the pages show them: cells, and rows of one cell a network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A number, and smaller lines under it."""

    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of every network: its name, what kind of number it is, a cell a network."""

    name: str
    kind: str
    cells: tuple[Cell, ...]
