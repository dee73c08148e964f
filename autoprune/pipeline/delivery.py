"""Delivery: the chosen network exported, checked, measured beside the dense one, and reported."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from autoprune.cost import Cost, Measurement
from autoprune.deploy.measure import measure_in_turns
from autoprune.deploy.onnx_export import export_onnx
from autoprune.deploy.page import render
from autoprune.deploy.parity import require_parity
from autoprune.deploy.report import BudgetLine, Report, SearchLine, Standing
from autoprune.deploy.run_folder import PolicyFile, RunFolder, write_atomic
from autoprune.evaluation.evaluator import scores
from autoprune.pipeline.search import Found
from autoprune.pipeline.subject import Network, Subject
from autoprune.profiler.fingerprint import DeviceFingerprint
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


def batch_like(network: Network, device: DeviceSpec) -> Tensor:
    """A random input of the device's batch size."""
    shape = (device.batch, *network.example.shape[1:])
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def measure(modules: Sequence[nn.Module], example: Tensor, device: DeviceSpec) -> list[Measurement]:
    """Latencies in ms of networks measured in turns in this process."""
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / f"{i}.onnx" for i in range(len(modules))]
        for module, path in zip(modules, paths, strict=True):
            export_onnx(module, example, path)
        return measure_in_turns(paths, device=device)


def deliver(
    spec: RunSpec,
    subject: Subject,
    found: Found,
    candidates: Mapping[str, Candidate],
    folder: RunFolder,
    progress: Progress,
) -> Report:
    """Export the last of `candidates` (dense, pruned, finetuned), measure all in turns, write the report."""
    network, task = subject.network, subject.task
    final = list(candidates.values())[-1].module
    example = batch_like(network, spec.device)
    with progress.stage("exporting"):
        images, _ = subject.splits.test.batch(torch.arange(min(_PARITY_IMAGES, len(subject.splits.test))))
        write_network(final, example, images, folder.model, folder.weights)
    with progress.stage("measuring in turns"):
        measured = measure([c.module for c in candidates.values()], example, spec.device)
    with progress.stage("testing"):
        standings = {
            name: _standing(candidate, subject, latency)
            for (name, candidate), latency in zip(candidates.items(), measured, strict=True)
        }
    report = Report(
        model=spec.model.name,
        task=task.name,
        metric=task.metric,
        device=DeviceFingerprint.here(spec.device).model_dump(mode="json"),
        budgets=tuple(BudgetLine.of(b) for b in spec.search.budgets),
        dense=standings["dense"],
        pruned=standings["pruned"],
        finetuned=standings.get("finetuned"),
        search=_search_line(spec, found),
        policy=dict(zip((g.name for g in network.traced.space.groups), found.policy.widths, strict=True)),
    )
    report.write(folder.report)
    write_page(report, found.trials, found.dense, network.traced.space, spec, folder)
    return report


def _standing(candidate: Candidate, subject: Subject, latency: Measurement) -> Standing:
    each = scores(candidate.module, subject.splits.test, subject.task)
    images = len(each) if subject.task.metric == "accuracy" else None
    return Standing.of(float(each.double().mean()), candidate.cost, images=images, measured=latency)


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
    write_atomic(folder.page, render(report, trials, space, dense=dense, spec_toml=spec.to_toml()))


def kept_arrays(file: PolicyFile, network: Network) -> tuple[Policy, list[IntArray]]:
    """The policy of a policy file and its kept units per group, checked against the network."""
    space = network.traced.space
    file.check(network.fingerprint, space)
    return file.policy(space), [np.array(file.groups[g.name].kept) for g in space.groups]
