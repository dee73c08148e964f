"""One function a command: `run` is the whole main job, the others are parts of it."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import nn

from autoprune.copies.kit import write_kit
from autoprune.cost import Cost, CostModel
from autoprune.deploy.report import Report, TableLine
from autoprune.deploy.run_folder import PolicyFile, RunFolder
from autoprune.errors import BadInput
from autoprune.evaluation.evaluator import scores
from autoprune.evaluation.registry import load_task
from autoprune.evaluation.splits import draw_splits
from autoprune.models import default_input
from autoprune.pipeline.costing import Costing, copies_of, cost_policies, digest, measured_table, telling
from autoprune.pipeline.delivery import (
    Candidate,
    deliver,
    kept_arrays,
    policy_file,
    write_network,
    write_page,
)
from autoprune.pipeline.fronts import front_of, write_front
from autoprune.pipeline.goals import other_devices, outcome
from autoprune.pipeline.keeping import keep_when_measured
from autoprune.pipeline.results import ApplyResult, KitResult, ProfileResult, SearchResult
from autoprune.pipeline.search import Explored, Found, choose, explore
from autoprune.pipeline.subject import Network, Subject, epochs, prepare
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import LatencyTable, Verification
from autoprune.profiler.verify import verify
from autoprune.progress import Progress, Silent
from autoprune.pruning import Pruner
from autoprune.searchers.agents import load_agent
from autoprune.searchers.ledger import Ledger
from autoprune.space import Policy
from autoprune.spec import DeviceSpec, ModelSpec, ReconstructionSpec, RunSpec, TaskSpec
from autoprune.tables.reading import read_table
from autoprune.tables.review import Review
from autoprune.training import finetune

_SILENT = Silent()


def run(spec: RunSpec, out: Path, progress: Progress = _SILENT) -> Report:
    """Profile if needed, search, apply, fine-tune, export, measure, report; the same call again resumes."""
    require_choice(spec)
    load_agent(spec.search.agent, spec.search.warm_start)  # a mistyped name is told before anything is made
    folder = RunFolder.claim(out, spec)
    return run_subject(spec, prepare(spec, folder, progress), folder, progress)[0]


def require_choice(spec: RunSpec) -> None:
    """Raise `BadInput` where nothing says which network is to be delivered."""
    if not spec.chooses:
        raise BadInput(
            "a front alone chooses no network to deliver; add --budget or --floor, or find the front with autoprune "
            "search and choose from it with autoprune retarget"
        )


def run_subject(
    spec: RunSpec, subject: Subject, folder: RunFolder, progress: Progress
) -> tuple[Report, Found, nn.Module]:
    """Like `run`, for a subject that is loaded; also returns what the search found and the final module."""
    costing = cost_policies(subject.network, spec, folder.table, progress)
    explored, _ = _explored(spec, subject, costing, folder, progress)
    found = _chosen(spec, subject, costing, explored, folder, progress)
    cost, pruned = costing.model.cost(found.policy), _reconstructed(spec, found, progress)
    candidates = {
        "dense": Candidate(subject.network.model, found.dense.cost),
        "pruned": Candidate(pruned, cost),
    }
    if spec.finetune.epochs:
        with progress.stage("fine-tuning"):
            candidates["finetuned"] = Candidate(_finetuned(spec, subject, pruned, progress), cost)
    table, also = _table_line(spec, subject, costing, folder), other_devices(spec, costing, found.policy)
    report = deliver(spec, subject, found, candidates, folder, progress, table, also)
    return report, found, list(candidates.values())[-1].module


def _table_line(spec: RunSpec, subject: Subject, costing: Costing, folder: RunFolder) -> TableLine | None:
    if costing.table is None:
        return None
    return TableLine.of(costing.table, digest(subject.network, spec.device.batch), spec.device.table or folder.table)


def search(spec: RunSpec, out: Path, progress: Progress = _SILENT) -> SearchResult:
    """Find a policy and write policy.json, or a front; the same call again resumes, and `run` goes on from it."""
    load_agent(spec.search.agent, spec.search.warm_start)  # a mistyped name is told before anything is made
    folder = RunFolder.claim(out, spec)
    subject = prepare(spec, folder, progress)
    costing = cost_policies(subject.network, spec, folder.table, progress)
    explored, front = _explored(spec, subject, costing, folder, progress)
    result = SearchResult(
        folder=folder.path,
        metric=subject.task.metric,
        trials=len(explored.searched.trials),
        front=front,
        frozen={g.name: g.reason for g in subject.network.traced.space.frozen},
    )
    if not spec.chooses:
        return result
    found = _chosen(spec, subject, costing, explored, folder, progress)
    told = outcome(spec, subject, costing, found.trials, found.judge, found.choice)
    return result.model_copy(update={"policy": folder.policy, **told})


def _explored(
    spec: RunSpec, subject: Subject, costing: Costing, folder: RunFolder, progress: Progress
) -> tuple[Explored, Path | None]:
    """The search's trials, and where its front was written, if one was asked for."""
    explored = explore(spec, subject, costing, folder, progress)
    if not spec.search.pareto:
        return explored, None
    feasible = costing.feasible(spec.search.budgets)
    write_front(front_of(spec, subject, feasible, explored, progress), spec, folder)
    return explored, folder.front


def _chosen(
    spec: RunSpec, subject: Subject, costing: Costing, explored: Explored, folder: RunFolder, progress: Progress
) -> Found:
    """The chosen policy, which keeps its budgets when measured; policy.json is written."""
    found = keep_when_measured(spec, subject, costing, choose(explored, progress), progress)
    policy_file(subject.network, found.kept).write(folder.policy)
    return found


def _reconstructed(spec: RunSpec, found: Found, progress: Progress) -> nn.Module:
    """The chosen network, its blocks trained to answer as the dense one's where the spec asks for that."""
    if not spec.reconstruction.steps:
        return found.pruned
    with progress.stage("reconstructing blocks"):
        pruner = found.judge.pruner
        return pruner.reconstruct(found.pruned, found.kept, spec.reconstruction, on_block=progress.advance)


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
    network = Network.load(model, input_shape[1:])
    grown = measured_table(network, device, input_shape, out, seed, progress)
    review = Review.of(grown, digest(network, input_shape[0]))
    return ProfileResult(
        table=out,
        rows=len(grown.rows),
        networks=review.profile.networks,
        mean_error=review.profile.mape,
        groups=len(review.profile.groups),
        measured_widths=review.measured_widths,
        offered_widths=review.offered_widths,
        interpolated=review.coverage.interpolated,
        energy=str(grown.energy),
        seconds=time.perf_counter() - start,
    )


def export_kit(
    model: ModelSpec,
    device: DeviceSpec,
    input_shape: tuple[int, ...],
    out: Path,
    progress: Progress = _SILENT,
    *,
    seed: int = 0,
) -> KitResult:
    """Write what profiles a network on another device, as `device` says: `python KIT` there writes a table."""
    start = time.perf_counter()
    copies = copies_of(Network.load(model, input_shape[1:]), input_shape, seed, progress)
    with progress.stage("writing the kit"):
        tell = telling(progress)
        packed = write_kit(copies, out, device=device.device, seconds=device.seconds, seed=seed, on_progress=tell)
    return KitResult(
        kit=out,
        size_bytes=out.stat().st_size,
        networks=len(packed.skeletons),
        seconds=time.perf_counter() - start,
    )


def verify_table(
    path: Path, model: ModelSpec, input_shape: tuple[int, ...] | None, count: int, progress: Progress = _SILENT
) -> Verification:
    """Measure `count` unseen networks against what the table predicts; the result is stored with the table."""
    shape = input_shape or default_input(model.name)
    if shape is None:
        raise BadInput(f"the input of {model.name} is not known; add --input, as in --input 1,3,224,224")
    table = _table_of_this_device(path)
    return _verify(path, table, Network.load(model, shape[1:]), shape[0], count, progress)


def verify_table_of_run(path: Path, spec: RunSpec, count: int, progress: Progress = _SILENT) -> Verification:
    """The same for the network of a run: with the outputs that its task has, at its input."""
    table = _table_of_this_device(path)
    task = load_task(spec.task)
    network = Network.load(spec.model, task.input_shape, task.num_classes)
    return _verify(path, table, network, spec.device.batch, count, progress)


def _table_of_this_device(path: Path) -> LatencyTable:
    table = read_table(path)
    table.fingerprint.require_same(Fingerprint.here(table.fingerprint.device))
    return table


def _verify(
    path: Path, table: LatencyTable, network: Network, batch: int, count: int, progress: Progress
) -> Verification:
    name = digest(network, batch)
    table.network(name)
    copies = copies_of(network, (batch, *network.example.shape[1:]), 0, progress)
    with progress.stage("measuring unseen networks"):
        found = verify(copies, table, device=table.fingerprint.device, count=count, on_progress=telling(progress))
    table.verified(name, found).save(path)
    return found


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
            pruner = Pruner(network.model, network.traced, splits.calibration.inputs)
            refitted = pruner.apply_kept(kept)
        with progress.stage("reconstructing blocks"):
            module = pruner.reconstruct(refitted, kept, ReconstructionSpec(), on_block=progress.advance)
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
    """The report of a finished run, its table as it is verified now; its page is written anew."""
    place = RunFolder.existing(folder)
    spec = RunSpec.load(place.spec)
    found = _with_table_now(Report.load(place.report), spec.device.table or place.table)
    found.write(place.report)
    ledger = Ledger(place.study, spec.name, None)
    trials = ledger.trials(found.search.agent, found.search.seed)
    write_page(found, trials, ledger.dense, PolicyFile.load(place.policy).space(), spec, place)
    return found


def _with_table_now(found: Report, path: Path) -> Report:
    """The report with what the table at `path` says by now; the same one where it is gone or holds another network."""
    if found.table is None or not path.is_file():
        return found
    table = read_table(path)
    if found.table.network not in table.networks:
        return found
    return found.model_copy(update={"table": TableLine.of(table, found.table.network, path)})
