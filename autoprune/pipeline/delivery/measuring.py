"""What networks cost, as predicted and as measured in turns on the device at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from autoprune.cost import Cost, Measurement, Metric
from autoprune.deploy.document.standing import CostLine, Energy
from autoprune.deploy.onnx_file.measure import energies_in_turns, measure_in_turns
from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.pipeline.costs.costing import Costing
from autoprune.pipeline.delivery.export import exported
from autoprune.pipeline.subject import Subject
from autoprune.profiler.energy.meter import NoMeter, find_meter
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.space import Policy

# What ONNX files take when they are measured in turns, one a file.
Measure = Callable[[Sequence[Path]], list[Measurement]]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A network that may be handed over: the module and what it is predicted to cost."""

    module: nn.Module
    cost: Cost


def candidates_of(
    subject: Subject, costing: Costing, policy: Policy, pruned: nn.Module, final: nn.Module | None
) -> dict[str, Candidate]:
    """By name: dense, `pruned` by `policy`, and finetuned where there is a `final` one; the last is handed over."""
    dense, cost = (costing.model.cost(p) for p in (costing.space.dense(), policy))
    networks = {"dense": Candidate(subject.network.model, dense), "pruned": Candidate(pruned, cost)}
    return networks if final is None else {**networks, "finetuned": Candidate(final, cost)}


def measures(device: Device) -> dict[Metric, Measure]:
    """What can be measured on this machine, and how: latency in ms, and energy in mJ where it has a meter."""
    latency: dict[Metric, Measure] = {Metric.LATENCY: partial(measure_in_turns, device=device)}
    try:
        meter = find_meter(device)
    except NoMeter:
        return latency
    return {**latency, Metric.ENERGY: partial(energies_in_turns, meter=meter, device=device)}


def cost_lines(candidates: Sequence[Candidate], example: Tensor, device: Device | None) -> list[CostLine]:
    """What `candidates` cost for inputs like `example`: predicted, and measured in turns on `device`.

    Without a device, which is where the costs are those of one that is not at hand, only their
    files are measured.
    """
    with exported([candidate.module for candidate in candidates], example) as paths:
        taken = _measured(paths, device) if device else {}
        sizes = [path.stat().st_size for path in paths]
    unknown: list[Measurement | None] = [None] * len(candidates)
    latencies, energies = ([*taken.get(metric, unknown)] for metric in (Metric.LATENCY, Metric.ENERGY))
    return [
        CostLine.of(candidate.cost, measured=latency, energy=_energy(energy), size_bytes=size)
        for candidate, latency, energy, size in zip(candidates, latencies, energies, sizes, strict=True)
    ]


def _measured(networks: Sequence[Path], device: Device) -> dict[Metric, list[Measurement]]:
    taken: dict[Metric, list[Measurement]] = {}
    for metric, measure in measures(device).items():
        with suppress(NoMeter):  # there is one, but its counter stands still
            taken[metric] = measure(networks)
    return taken


def _energy(measured: Measurement | None) -> Energy | None:
    return None if measured is None else Energy(value=measured.median, source="measured")


def at_hand(table: LatencyTable | None, asked: Device) -> Device | None:
    """How to execute networks here for them to cost what `table` tells: as it was measured; None on another device.

    Without a table, which is where costs are counted, networks are executed as `asked`; None where
    the runtime here cannot do that.
    """
    device = table.fingerprint.device if table else asked
    try:
        here = Fingerprint.here(device)
    except BadInput:  # a provider that is not installed here
        return None
    return None if table and table.fingerprint.differences(here) else device
