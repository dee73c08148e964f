"""One function a command: `run` is the whole main job, the others are parts of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from autoprune.cost import Cost, CostModel
from autoprune.deploy.report import Report
from autoprune.deploy.run_folder import PolicyFile, RunFolder
from autoprune.errors import BadInput
from autoprune.evaluation.evaluator import scores
from autoprune.evaluation.registry import load_task
from autoprune.evaluation.splits import draw_splits
from autoprune.models import default_input
from autoprune.pipeline.costing import Costing, cost_policies, profiled_space, telling
from autoprune.pipeline.delivery import (
    Candidate,
    deliver,
    kept_arrays,
    policy_file,
    write_network,
    write_page,
)
from autoprune.pipeline.keeping import keep_when_measured
from autoprune.pipeline.results import ApplyResult, ProfileResult, SearchResult
from autoprune.pipeline.search import Found
from autoprune.pipeline.search import search as find
from autoprune.pipeline.subject import Network, Subject, epochs, prepare
from autoprune.profiler.networks import networks
from autoprune.profiler.profile import profile as measure_table
from autoprune.profiler.profile import timed_plan
from autoprune.profiler.table import LatencyTable
from autoprune.profiler.verify import verify
from autoprune.progress import Progress, Silent
from autoprune.pruning import Pruner
from autoprune.searchers.ledger import Ledger
from autoprune.space import Policy
from autoprune.spec import DeviceSpec, ModelSpec, RunSpec, TaskSpec
from autoprune.training import finetune

_SILENT = Silent()


def run(spec: RunSpec, out: Path, progress: Progress = _SILENT) -> Report:
    """Profile if needed, search, apply, fine-tune, export, measure, report; the same call again resumes."""
    folder = RunFolder.claim(out, spec)
    return run_subject(spec, prepare(spec, folder, progress), folder, progress)[0]


def run_subject(
    spec: RunSpec, subject: Subject, folder: RunFolder, progress: Progress
) -> tuple[Report, Found, nn.Module]:
    """Like `run`, for a subject that is loaded; also returns what the search found and the final module."""
    costing, found = _searched(spec, subject, folder, progress)
    cost = costing.model.cost(found.policy)
    candidates = {
        "dense": Candidate(subject.network.model, found.dense.cost),
        "pruned": Candidate(found.pruned, cost),
    }
    if spec.finetune.epochs:
        with progress.stage("fine-tuning"):
            candidates["finetuned"] = Candidate(_finetuned(spec, subject, found.pruned, progress), cost)
    report = deliver(spec, subject, found, candidates, folder, progress)
    return report, found, list(candidates.values())[-1].module


def search(spec: RunSpec, out: Path, progress: Progress = _SILENT) -> SearchResult:
    """Find a policy and write policy.json; the same call again resumes, and `run` goes on from it."""
    folder = RunFolder.claim(out, spec)
    subject = prepare(spec, folder, progress)
    costing, found = _searched(spec, subject, folder, progress)
    cost, dense = costing.model.cost(found.policy), found.dense.cost
    best = max((t for t in found.trials if t.policy == found.policy), key=lambda t: t.rank_key)
    return SearchResult(
        folder=folder.path,
        policy=folder.policy,
        trials=len(found.trials),
        reward=best.reward,
        validation_score=best.quality.score,
        relative_macs=cost.macs / dense.macs,
        relative_params=cost.params / dense.params,
        relative_latency=cost.latency_ms / dense.latency_ms if cost.latency_ms and dense.latency_ms else None,
        frozen={g.name: g.reason for g in subject.network.traced.space.frozen},
    )


def _searched(spec: RunSpec, subject: Subject, folder: RunFolder, progress: Progress) -> tuple[Costing, Found]:
    costing = cost_policies(subject.network, spec.device, spec.search, folder.table, progress)
    found = find(spec, subject, costing, folder, progress)
    found = keep_when_measured(spec, subject, costing, found, progress)
    policy_file(subject.network, found.kept).write(folder.policy)
    return costing, found


def _finetuned(spec: RunSpec, subject: Subject, pruned: nn.Module, progress: Progress) -> nn.Module:
    return finetune(
        pruned,
        subject.network.model,
        subject.splits,
        spec.finetune,
        seed=spec.search.seed,
        augment=subject.task.augment,
        score=subject.task.score,
        on_epoch=epochs(progress),
    )


def profile(
    model: ModelSpec,
    device: DeviceSpec,
    input_shape: tuple[int, ...],
    out: Path,
    progress: Progress = _SILENT,
    *,
    seed: int = 0,
) -> ProfileResult:
    """Measure the kernels of a network over its candidate widths; a table that is there already grows."""
    start = time.perf_counter()
    known = LatencyTable.load(out) if out.is_file() else None
    network = Network.load(model, input_shape[1:])
    space = profiled_space(network)
    with progress.stage("exporting sample networks"):
        copies = networks(network.bare, space, input_shape, seed=seed, on_progress=telling(progress))
    with progress.stage("profiling the device"):
        table = measure_table(
            copies,
            space,
            device=device,
            seconds=device.seconds,
            seed=seed,
            name=model.name,
            on_progress=telling(progress),
        )
    fit = next(iter(table.networks.values()))
    grown = known.merge(table) if known else table
    grown.save(out)
    return ProfileResult(
        table=out,
        rows=len(grown.rows),
        networks=fit.networks,
        mean_error=fit.mape,
        seconds=time.perf_counter() - start,
    )


def verify_table(
    path: Path, model: ModelSpec, input_shape: tuple[int, ...] | None, count: int, progress: Progress = _SILENT
) -> dict[str, Any]:
    """Measure `count` unseen networks against what the table predicts; the result is stored with the table."""
    table = LatencyTable.load(path)
    shape = input_shape or default_input(model.name)
    if shape is None:
        raise BadInput(f"the input of {model.name} is not known; add --input, as in --input 1,3,224,224")
    device = DeviceSpec(provider=table.fingerprint.provider, threads=table.fingerprint.threads, batch=shape[0])
    network = Network.load(model, shape[1:])
    space = profiled_space(network)
    with progress.stage("reading the table"):
        copies = networks(network.bare, space, shape, on_progress=telling(progress))
        timed = timed_plan(copies, space, table, device=device, on_progress=telling(progress))
    with progress.stage("measuring unseen networks"):
        found = verify(copies, timed, device=device, count=count, on_progress=telling(progress))
    table.verified(timed.digest, found).save(path)
    return found.model_dump(mode="json")


def apply_policy(
    policy: Path, model: ModelSpec, task: TaskSpec | None, out: Path, progress: Progress = _SILENT
) -> ApplyResult:
    """Slice a network as a policy file says, refit it on the images of `task` if one is given, export it."""
    file = PolicyFile.load(policy)
    data = load_task(task) if task else None
    shape = data.input_shape if data else default_input(model.name, batch=False)
    if shape is None:
        raise BadInput(f"the input of {model.name} is not known; add --task, whose images have it")
    with progress.stage("tracing"):
        network = Network.load(model, tuple(shape), data.num_classes if data else None)
    chosen, kept = kept_arrays(file, network)
    score = None
    if data is not None and task is not None:
        with progress.stage("refitting"):
            splits = draw_splits(data, task, seed=0)
            module = Pruner(network.model, network.traced, splits.calibration.inputs).apply_kept(kept)
            score = float(scores(module, splits.test, data).double().mean())
        images, _ = splits.test.batch(torch.arange(min(16, len(splits.test))))
    else:
        module, images = network.traced.slice(network.model, kept), network.example
    out.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(out)
    with progress.stage("exporting"):
        difference = write_network(module, network.example, images, folder.model, folder.weights)
    cost = _counted(network, chosen.widths)
    return ApplyResult(
        onnx=folder.model,
        weights=folder.weights,
        macs=round(cost.macs),
        params=round(cost.params),
        parity=difference,
        refitted=data is not None,
        score=score,
    )


def _counted(network: Network, widths: tuple[int, ...]) -> Cost:
    return CostModel(network.traced.space, network.traced.counts).cost(Policy(widths))


def report(folder: Path) -> Report:
    """The report of a finished run; its page is written anew."""
    place = RunFolder.existing(folder)
    found, spec = Report.load(place.report), RunSpec.load(place.spec)
    ledger = Ledger(place.study, spec.name, None)
    trials = ledger.trials(found.search.agent, found.search.seed)
    write_page(found, trials, ledger.dense, PolicyFile.load(place.policy).space(), spec, place)
    return found
