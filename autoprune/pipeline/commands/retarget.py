"""autoprune retarget: another budget, or another device, from the trials of a run: nothing is searched again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.document.standing import CostLine
from autoprune.deploy.policy.document import PolicyFile
from autoprune.deploy.run_folder import RunFolder
from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.evaluation.evaluator import scores
from autoprune.objective import Objective
from autoprune.pipeline.commands.results import RetargetResult
from autoprune.pipeline.costs.costing import Costing, cost_policies
from autoprune.pipeline.costs.table import device_name
from autoprune.pipeline.delivery.export import parity_images, policy_file, write_network
from autoprune.pipeline.delivery.keeping import keep_when_measured
from autoprune.pipeline.delivery.measuring import Candidate, at_hand, candidates_of, cost_lines
from autoprune.pipeline.delivery.recovery import finetuned, with_blocks_trained
from autoprune.pipeline.goals.outcome import outcome
from autoprune.pipeline.goals.retargeting import choose_again, keeping, recosted
from autoprune.pipeline.goals.search import Found
from autoprune.pipeline.scores.judgements import Judgements, judged_under
from autoprune.pipeline.scores.judging import Judge
from autoprune.pipeline.subject import Subject, prepare, pruner_of
from autoprune.progress import Progress, Silent
from autoprune.searchers.ledger import Ledger
from autoprune.spec import RunSpec
from autoprune.trial import Trial

_SILENT = Silent()


def retarget(
    run: Path,
    out: Path,
    progress: Progress = _SILENT,
    *,
    budgets: Sequence[str] = (),
    floor: str | None = None,
    minimise: str | None = None,
    also: Sequence[str] = (),
    table: Path | None = None,
) -> RetargetResult:
    """Choose among the trials of the run in `run` by other goals; policy and network go into the folder `out`.

    Goals that are not given stay the run's own. With `table`, of any device, every trial is costed
    anew; without one, where latency or energy matters now, this device is profiled into the run's
    folder. Of the trials that keep the budgets the best are refitted and compared, as after a search.
    Widths that a table does not know are cut to the next that it does. The network is measured beside
    the dense one, and tightened where it is over a budget then, unless its costs are another device's;
    where the run's spec asks for that, it is fine-tuned.

    Raises `BudgetUnreachable`, naming the nearest trial, where none keeps the budgets.
    """
    place = RunFolder.existing(run)
    old = RunSpec.load(place.spec)
    spec = _retargeted(old, budgets=budgets, floor=floor, minimise=minimise, also=also, table=table)
    ledger, trials = _ledger(place, old)
    subject = prepare(old, place, progress)
    _require_same_network(place, subject)
    costing = cost_policies(subject.network, _of_any_device(spec), place.table, progress, stairs_only=False)
    costed = [recosted(trial, costing, Objective(spec.search.reward)) for trial in trials]
    kept = keeping(costed, costing, spec, run)
    judge = _judge(spec, subject, costing, ledger, progress)
    with progress.stage("choosing among the finalists"):
        found = choose_again(kept, judge)
    device = at_hand(costing.table, spec.device.device)
    if device is not None:
        found = keep_when_measured(spec, subject, costing, found, device, progress)
    folder = RunFolder.claim(out, spec)
    policy_file(subject.network, found.kept, spec.search.criterion).write(folder.policy)
    candidates = _recovered(spec, subject, costing, found, progress)
    costs = _delivered(spec, subject, candidates, folder, device, progress)
    return RetargetResult(
        run=run,
        folder=folder.path,
        metric=subject.task.metric,
        trials=len(trials),
        keeping=len(kept),
        moved=sum(a.policy != b.policy for a, b in zip(trials, costed, strict=True)),
        frozen={g.name: g.reason for g in subject.network.traced.space.frozen},
        **outcome(spec, subject, costing, found),
        policy=folder.policy,
        onnx=folder.model,
        weights=folder.weights,
        predicted_for=device_name(costing.table.fingerprint) if costing.table and device is None else None,
        budgets=tuple(BudgetLine.of(budget) for budget in spec.search.budgets),
        dense=costs["dense"],
        pruned=costs["pruned"],
        finetuned=costs.get("finetuned"),
        finetuned_selection_score=_score(subject, candidates.get("finetuned")),
    )


def _retargeted(
    old: RunSpec,
    *,
    budgets: Sequence[str],
    floor: str | None,
    minimise: str | None,
    also: Sequence[str],
    table: Path | None,
) -> RunSpec:
    """The run's spec with other goals; a floor that is given replaces the run's budgets too, and they it."""
    if "fingerprint" in old.model.options:
        raise BadInput(
            f"the network of run {old.name!r} was handed over in Python and has no name to be loaded by; "
            "call autoprune.prune with the other budget and another folder"
        )
    if not (budgets or floor or also or old.chooses):
        raise BadInput("the run was for a front, which is under no budget; give --budget, or --floor and --minimise")
    tree: dict[str, Any] = old.model_dump(mode="json", exclude_none=True)
    goals: dict[str, Any] = {"pareto": False}
    if budgets or floor:
        goals |= {"budgets": list(budgets), "floor": floor, "minimise": minimise or []}
    if table is not None:
        tree["device"] |= {"table": str(table), "allow_foreign_table": True}
    if also:
        tree["also"] = list(also)
    return RunSpec.parse({**tree, "search": {**tree["search"], **goals}}, "the run's spec with the flags")


def _of_any_device(spec: RunSpec) -> RunSpec:
    """The spec with any device's table accepted: costs of another device are called predicted, not refused."""
    return spec.model_copy(update={"device": spec.device.model_copy(update={"allow_foreign_table": True})})


def _ledger(place: RunFolder, old: RunSpec) -> tuple[Ledger, list[Trial]]:
    """The run's ledger, which is read and not written to, and the trials in it that were scored."""
    if place.study.is_file():
        ledger = Ledger(place.study, old.name, None)
        if trials := [trial for trial in ledger.trials() if math.isfinite(trial.reward)]:
            return ledger, trials
    raise BadInput(f"{place.path} holds no scored trial to choose from; run autoprune search there first")


def _require_same_network(place: RunFolder, subject: Subject) -> None:
    if place.policy.is_file():
        PolicyFile.load(place.policy).check(subject.network.fingerprint, subject.network.traced.space)


def _judge(spec: RunSpec, subject: Subject, costing: Costing, ledger: Ledger, progress: Progress) -> Judge:
    network = subject.network
    with progress.stage("gathering calibration statistics"):
        pruner = pruner_of(spec, network, subject.splits)
    judgements = Judgements(ledger, judged_under(spec, network), read_only=True)
    return Judge.on(subject, pruner, costing.model, spec.search, judgements, progress)


def _recovered(
    spec: RunSpec, subject: Subject, costing: Costing, found: Found, progress: Progress
) -> dict[str, Candidate]:
    pruned = with_blocks_trained(spec, found.judge.pruner, found.pruned, found.kept, progress)
    final = finetuned(spec, subject, pruned, progress) if spec.finetune.epochs else None
    return candidates_of(subject, costing, found.policy, pruned, final)


def _delivered(
    spec: RunSpec,
    subject: Subject,
    candidates: Mapping[str, Candidate],
    folder: RunFolder,
    device: Device | None,
    progress: Progress,
) -> dict[str, CostLine]:
    """The last of `candidates` is written; what each of them costs."""
    example = subject.network.images(spec.device.batch)
    with progress.stage("exporting"):
        write_network(list(candidates.values())[-1].module, example, parity_images(subject.splits.selection), folder)
    with progress.stage("measuring in turns" if device else "sizing the files"):
        lines = cost_lines(list(candidates.values()), example, device)
    return dict(zip(candidates, lines, strict=True))


def _score(subject: Subject, finetuned: Candidate | None) -> float | None:
    """The score of the fine-tuned network, if there is one, on the images that the pruned one was chosen on."""
    if finetuned is None:
        return None
    return float(scores(finetuned.module, subject.splits.selection, subject.task).double().mean())
