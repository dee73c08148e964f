"""Delivery: the chosen network exported, checked, measured beside the dense one, and reported."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from autoprune.cost import Cost, Measurement
from autoprune.deploy.front.document import FrontFile
from autoprune.deploy.measure import energies_in_turns, measure_in_turns
from autoprune.deploy.onnx_export import export_onnx
from autoprune.deploy.page import render
from autoprune.deploy.parity import require_parity
from autoprune.deploy.report import BudgetLine, Energy, OtherDevice, Report, SearchLine, Standing, TableLine
from autoprune.deploy.run_folder import PolicyFile, RunFolder
from autoprune.evaluation.evaluator import scores
from autoprune.evaluation.registry import builtin_tasks
from autoprune.files import write_atomic
from autoprune.pipeline.generalisation import generalisation
from autoprune.pipeline.goals import floor_line
from autoprune.pipeline.search import Found
from autoprune.pipeline.subject import Network, Subject
from autoprune.profiler.energy.meter import NoMeter, find_meter
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import document
from autoprune.progress import Progress
from autoprune.space import Policy, SearchSpace
from autoprune.spec import DeviceSpec, RunSpec
from autoprune.tracing.groups import IntArray
from autoprune.trial import Trial

# Test images that the exported network is checked on against the module.
_PARITY_IMAGES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A network of the report: the module and what it is predicted to cost."""

    module: nn.Module
    cost: Cost


def policy_file(network: Network, kept: Sequence[IntArray]) -> PolicyFile:
    """policy.json of the units `kept` in each group."""
    units: Mapping[str, tuple[int, ...]] = {
        g.name: tuple(int(u) for u in own) for g, own in zip(network.traced.space.groups, kept, strict=True)
    }
    return PolicyFile.of(network.name, network.fingerprint, network.traced.space, units)


def write_network(module: nn.Module, example: Tensor, images: Tensor, onnx: Path, weights: Path) -> float:
    """Export `module` for inputs shaped like `example`, check the export on `images`, write the tensors.

    Returns the maximum absolute difference between the two; raises `AutopruneError` where it is over 1e-4.
    """
    export_onnx(module, example, onnx)
    difference = require_parity(module, onnx, images)
    write_atomic(weights, save({k: v.contiguous() for k, v in module.state_dict().items()}))
    return difference


@contextmanager
def exported(modules: Sequence[nn.Module], example: Tensor) -> Iterator[list[Path]]:
    """ONNX files of `modules`, for as long as the block runs."""
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / f"{i}.onnx" for i in range(len(modules))]
        for module, path in zip(modules, paths, strict=True):
            export_onnx(module, example, path)
        yield paths


def deliver(
    spec: RunSpec,
    subject: Subject,
    found: Found,
    candidates: Mapping[str, Candidate],
    folder: RunFolder,
    progress: Progress,
    table: TableLine | None = None,
    also: tuple[OtherDevice, ...] = (),
) -> Report:
    """Export the last of `candidates` (dense, pruned, finetuned), measure all in turns, write the report.

    `table` is the latency table that their latencies were predicted from, `also` what others' tables predict.
    """
    network, task = subject.network, subject.task
    final = list(candidates.values())[-1].module
    example = network.images(spec.device.batch)
    with progress.stage("exporting"):
        images, _ = subject.splits.test.batch(torch.arange(min(_PARITY_IMAGES, len(subject.splits.test))))
        write_network(final, example, images, folder.model, folder.weights)
    with progress.stage("measuring in turns"), exported([c.module for c in candidates.values()], example) as paths:
        measured = measure_in_turns(paths, device=spec.device.device)
        energies = _energies(paths, spec.device)
        sizes = [path.stat().st_size for path in paths]
    with progress.stage("testing"):
        standings = {
            name: _standing(subject, candidate, latency, energy, size)
            for (name, candidate), latency, energy, size in zip(
                candidates.items(), measured, energies, sizes, strict=True
            )
        }
    report = Report(
        model=spec.model.name,
        task=task.name,
        metric=task.metric,
        device=document(Fingerprint.here(spec.device.device)),
        budgets=tuple(BudgetLine.of(b) for b in spec.search.budgets),
        floor=floor_line(subject, found.judge, found.choice),
        dense=standings["dense"],
        pruned=standings["pruned"],
        finetuned=standings.get("finetuned"),
        search=_search_line(spec, found),
        generalisation=generalisation(found, standings["pruned"].score),
        table=table,
        also=also,
        policy=dict(zip((g.name for g in network.traced.space.groups), found.policy.widths, strict=True)),
    )
    report.write(folder.report)
    write_page(report, found.trials, found.dense, network.traced.space, spec, folder)
    return report


def _energies(networks: Sequence[Path], device: DeviceSpec) -> list[Energy | None]:
    """What networks were measured to take; None each where nothing counts it."""
    try:
        measured = energies_in_turns(networks, find_meter(device.device), device=device.device)
    except NoMeter:
        return [None] * len(networks)
    return [Energy(value=one.median, source="measured") for one in measured]


def _standing(
    subject: Subject, candidate: Candidate, latency: Measurement, energy: Energy | None, size_bytes: int
) -> Standing:
    each = scores(candidate.module, subject.splits.test, subject.task)
    return Standing.of(
        float(each.double().mean()),
        candidate.cost,
        images=subject.images_scored(subject.splits.test),
        measured=latency,
        energy=energy,
        size_bytes=size_bytes,
    )


def _search_line(spec: RunSpec, found: Found) -> SearchLine:
    rate = found.scored / found.seconds if found.seconds else 0.0
    return SearchLine(
        agent=found.agent,
        seed=spec.search.seed,
        trials=len(found.trials),
        seconds=found.seconds,
        trials_per_second=rate,
    )


def write_page(
    report: Report,
    trials: Sequence[Trial],
    dense: Trial | None,
    space: SearchSpace,
    spec: RunSpec,
    folder: RunFolder,
) -> None:
    """report.html."""
    commands = verify_commands(spec, report.table, folder) if report.table else ()
    front = FrontFile.load(folder.front) if folder.front.is_file() else None
    page = render(report, trials, space, dense=dense, spec_toml=spec.to_toml(), verify_with=commands, front=front)
    write_atomic(folder.page, page)


def verify_commands(spec: RunSpec, table: TableLine, folder: RunFolder) -> tuple[str, str]:
    """What to type to check the run's latency table against the clock, and to have it on the page."""
    # A module or a task that was handed over in Python has no name to be found by.
    by_name = "fingerprint" not in spec.model.options and (spec.task.name in builtin_tasks() or ":" in spec.task.name)
    size = ",".join(map(str, table.input_shape))
    network = ["--spec", str(folder.spec)] if by_name else ["--model", "MODULE:FUNCTION", "--input", size]
    return (
        shlex.join(["autoprune", "tables", "verify", table.path, *network]),
        shlex.join(["autoprune", "report", str(folder.path)]),
    )


def kept_arrays(file: PolicyFile, network: Network) -> tuple[Policy, list[IntArray]]:
    """The policy of a policy file and its kept units per group, checked against the network."""
    space = network.traced.space
    file.check(network.fingerprint, space)
    return file.policy(space), [np.array(file.groups[g.name].kept) for g in space.groups]
