"""Another budget, or another device, from the trials of a run: nothing is searched again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autoprune.budget import Budget
from autoprune.deploy.run_folder import PolicyFile, RunFolder
from autoprune.errors import BadInput, BudgetUnreachable
from autoprune.front import front
from autoprune.objective import Objective
from autoprune.pipeline.costing import Costing, cost_policies
from autoprune.pipeline.delivery import policy_file
from autoprune.pipeline.goals import outcome
from autoprune.pipeline.judging import Choice, Judge
from autoprune.pipeline.results import RetargetResult
from autoprune.pipeline.search import finalists_of
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Progress, Silent
from autoprune.pruning import Pruner
from autoprune.searchers.ledger import Ledger
from autoprune.space import Policy, SearchSpace
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
    """Choose among the trials of the run in `run` by other goals, and write the policy into the folder `out`.

    Goals that are not given stay the run's own. With `table`, of any device, every trial is costed
    anew; without one, where latency or energy matters now, this device is profiled into the run's
    folder. Of the trials that keep the budgets the best are refitted and compared, as after a search.
    Widths that a table does not know are cut to the next that it does.

    Raises `BudgetUnreachable`, naming the nearest trial, where none keeps the budgets.
    """
    place = RunFolder.existing(run)
    old = RunSpec.load(place.spec)
    spec = _retargeted(old, budgets=budgets, floor=floor, minimise=minimise, also=also, table=table)
    trials = _trials(place, old)
    subject = prepare(old, place, progress)
    _require_same_network(place, subject)
    costing = cost_policies(subject.network, _predicting(spec), place.table, progress, stairs_only=False)
    costed = [_recosted(trial, costing, Objective(spec.search.reward)) for trial in trials]
    keeping = _keeping(costed, costing, spec, run)
    judge = _judge(subject, costing, spec, progress)
    with progress.stage("choosing among the finalists"):
        choice = _chosen(keeping, judge)
    folder = RunFolder.claim(out, spec)
    policy_file(subject.network, judge.pruner.kept(choice.policy)).write(folder.policy)
    return RetargetResult(
        run=run,
        folder=folder.path,
        metric=subject.task.metric,
        trials=len(trials),
        keeping=len(keeping),
        moved=sum(a.policy != b.policy for a, b in zip(trials, costed, strict=True)),
        frozen={g.name: g.reason for g in subject.network.traced.space.frozen},
        **outcome(spec, subject, costing, costed, judge, choice),
        policy=folder.policy,
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


def _predicting(spec: RunSpec) -> RunSpec:
    """The spec with any device's table accepted: nothing is measured, so it need not be this one's."""
    return spec.model_copy(update={"device": spec.device.model_copy(update={"allow_foreign_table": True})})


def _trials(place: RunFolder, old: RunSpec) -> list[Trial]:
    trials = Ledger(place.study, old.name, None).trials() if place.study.is_file() else []
    known = [trial for trial in trials if math.isfinite(trial.reward)]
    if not known:
        raise BadInput(f"{place.path} holds no scored trial to choose from; run autoprune search there first")
    return known


def _require_same_network(place: RunFolder, subject: Subject) -> None:
    if place.policy.is_file():
        PolicyFile.load(place.policy).check(subject.network.fingerprint, subject.network.traced.space)


def _recosted(trial: Trial, costing: Costing, objective: Objective) -> Trial:
    """The trial with its cost by `costing`, its policy cut to widths that the tables know."""
    by_table = costing.table is not None or bool(costing.elsewhere)
    policy = _cut(trial.policy, costing.space) if by_table else trial.policy
    cost = costing.model.cost(policy)
    return replace(trial, policy=policy, cost=cost, reward=objective.reward(trial.quality, cost))


def _cut(policy: Policy, space: SearchSpace) -> Policy:
    """The policy of offered widths next below; a group that is below all of them takes its smallest."""
    groups = zip(policy.widths, space.groups, strict=True)
    return Policy(tuple(max((w for w in g.widths if w <= width), default=g.widths[0]) for width, g in groups))


def _keeping(trials: Sequence[Trial], costing: Costing, spec: RunSpec, run: Path) -> list[Trial]:
    """The trials that keep every budget; raises `BudgetUnreachable`, saying what the nearest takes, without any."""
    feasible = costing.feasible(spec.search.budgets)
    widths = np.array([trial.policy.widths for trial in trials])
    keeping = [trial for trial, kept in zip(trials, feasible.mask(widths), strict=True) if kept]
    if keeping:
        return keeping
    loads = feasible.loads(widths)
    nearest = loads[int(loads.max(axis=1).argmin())]
    here = [(b, "") for b in spec.search.budgets]
    elsewhere = [
        (b, f" on {one.device}") for one, asked in zip(costing.elsewhere, spec.also, strict=True) for b in asked.budgets
    ]
    asked = [*here, *elsewhere]
    taken = ", ".join(f"{_scaled(b, load)}{there}" for (b, there), load in zip(asked, nearest, strict=True))
    raise BudgetUnreachable(
        f"none of {len(trials)} trials of {run} keeps {', '.join(f'{b}{there}' for b, there in asked)}: the nearest "
        f"takes {taken}. Loosen the budgets to that, or search under them (autoprune search)."
    )


def _scaled(budget: Budget, load: float) -> str:
    """The budget that a policy at `load` of it would just keep, rounded up to four digits."""
    exact = budget.limit * load
    step = 10.0 ** (math.floor(math.log10(exact)) - 3)
    limit = math.ceil(exact / step) * step
    return f"{budget.metric}={limit:.4g}{'x' if budget.relative else ''}"


def _judge(subject: Subject, costing: Costing, spec: RunSpec, progress: Progress) -> Judge:
    network = subject.network
    with progress.stage("gathering calibration statistics"):
        inputs = subject.splits.calibration.inputs
        pruner = Pruner(network.model, network.traced, inputs, seed=spec.search.seed)
    return Judge.on(subject, pruner, costing.model, spec.search, progress)


def _chosen(trials: Sequence[Trial], judge: Judge) -> Choice:
    """The best of the trials; under a floor the front is bisected for where it begins to keep it."""
    if judge.wanted is not None:
        best = front(trials, [judge.wanted.metric])
        low, high = 0, len(best) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if judge.keeps_floor(best[middle].policy) else (middle + 1, high)
        judge.keeps_floor(best[high].policy)
    return judge.best(finalists_of(trials, judge))
