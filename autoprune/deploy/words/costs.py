"""What networks cost, as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from autoprune.cost import Metric
from autoprune.deploy.document.goals import OtherDevice
from autoprune.deploy.document.standing import CostLine, Source
from autoprune.deploy.words.amounts import amount_text, number
from autoprune.deploy.words.cells import Cell, Row

_UNKNOWN: Final = "–"


def cost_rows(networks: Sequence[CostLine], also: Sequence[OtherDevice] = (), device: str = "") -> list[Row]:
    """Every cost that is known of any of `networks`, the dense one first.

    `device` names the one that latency and energy are predicted for, where it is not the one at hand.
    """
    every = [
        _cost_row("MACs", "counted", Metric.MACS, [n.macs for n in networks]),
        _cost_row("parameters", "counted", Metric.PARAMS, [n.params for n in networks]),
        _cost_row("latency", _on("predicted", device), Metric.LATENCY, [n.latency_ms.predicted for n in networks]),
        _measured_row(networks),
        *_energy_rows(networks, device),
        _cost_row("activation memory", "counted", Metric.MEMORY, [n.peak_memory_bytes for n in networks]),
        _cost_row("size on disk", "measured", Metric.SIZE, [n.size_bytes for n in networks]),
        *(row for other in also for row in _rows_elsewhere(other, len(networks))),
    ]
    return [row for row in every if any(cell.text != _UNKNOWN for cell in row.cells)]


def _cost_row(name: str, kind: str, metric: Metric, values: Sequence[float | None]) -> Row:
    dense = values[0]
    cells = []
    for i, value in enumerate(values):
        ratio = (f"{value / dense:.2f}×",) if i and dense and value is not None else ()
        cells.append(Cell(_UNKNOWN if value is None else amount_text(value, metric), ratio))
    return Row(name, kind, tuple(cells))


def _on(kind: str, device: str) -> str:
    return f"{kind}, {device}" if device else kind


def _measured_row(networks: Sequence[CostLine]) -> Row:
    row = _cost_row("latency", "measured", Metric.LATENCY, [n.latency_ms.measured for n in networks])
    cells = []
    for cell, network in zip(row.cells, networks, strict=True):
        spread = network.latency_ms.spread
        notes = () if spread is None else (f"± {number(spread, 2)} ms",)
        cells.append(Cell(cell.text, notes + cell.notes))
    return Row(row.name, row.kind, tuple(cells))


def _rows_elsewhere(other: OtherDevice, count: int) -> list[Row]:
    """What the table of another device predicts; fine-tuning changes none of it."""
    known = [other.dense, *[other.pruned] * (count - 1)]
    return [
        _cost_row("latency", _on("predicted", other.device), Metric.LATENCY, [one.latency_ms for one in known]),
        _cost_row("energy", _on("modelled", other.device), Metric.ENERGY, [one.energy_mj for one in known]),
    ]


def _energy_rows(networks: Sequence[CostLine], device: str) -> list[Row]:
    sources: tuple[Source, ...] = ("measured", "modelled")
    held = [n.energy_mj for n in networks]
    values = {source: [e.value if e and e.source == source else None for e in held] for source in sources}
    return [_cost_row("energy", _on(source, device), Metric.ENERGY, values[source]) for source in sources]
