"""The sensitivity analysis: each channel group cut alone, to a handful of its widths, all others whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autoprune.cost import Cost
from autoprune.criteria.criterion import find_criterion
from autoprune.deploy.run_folder import RunFolder
from autoprune.deploy.sensitivity.document import CutGroup, GroupLine, Sensitivity, at_saving, common_saving
from autoprune.deploy.sensitivity.page import render
from autoprune.errors import BadInput
from autoprune.evaluation.evaluator import Evaluator
from autoprune.files import write_atomic
from autoprune.pipeline.costs.costing import cost_policies
from autoprune.pipeline.scores.scoring import Scoring
from autoprune.pipeline.subject import prepare
from autoprune.progress import Progress, Silent
from autoprune.space import ChannelGroup, Policy, SearchSpace
from autoprune.spec import RunSpec
from autoprune.trial import Problem, Trial

_SILENT = Silent()


def sensitivity(spec: RunSpec, widths: int, out: Path, progress: Progress = _SILENT) -> Sensitivity:
    """Score the network with each group alone cut to at most `widths` of the widths on offer, refitted.

    The scores are on the validation split, of networks refitted as a search refits them. Writes
    sensitivity.json and sensitivity.html; the same call again resumes. Raises `BadInput` for fewer
    than one width.
    """
    if widths < 1:
        raise BadInput(f"each group is cut to at least 1 of its widths, got {widths}")
    find_criterion(spec.search.criterion)
    folder = RunFolder.claim(out, spec)
    subject = prepare(spec, folder, progress)
    costing = cost_policies(subject.network, spec, folder.table, progress)
    scoring = _on_all_images(Scoring.of(spec, subject, costing, folder.study, progress))
    cuts = [_cuts(costing.space, group, widths) for group in range(len(costing.space))]
    asked = _Given([policy for own in cuts for policy in own])
    with progress.stage("cutting one group at a time"):
        searched = scoring.search(f"one group, {widths} widths", asked, max(1, len(asked.policies)), progress)
    scored = {trial.policy: trial for trial in searched.trials}
    dense = scoring.dense()
    lines = tuple(
        _line(group, index, [scored[policy] for policy in own], dense)
        for index, (group, own) in enumerate(zip(costing.space.groups, cuts, strict=True))
    )
    saving = common_saving(lines)
    found = Sensitivity(
        model=spec.model.name,
        task=subject.task.name,
        metric=subject.task.metric,
        images=len(subject.splits.validation),
        dense_score=dense.quality.score,
        dense_macs=round(dense.cost.macs),
        equal_macs_saved=saving,
        groups=tuple(line.model_copy(update={"equal": at_saving(line, saving, dense.quality.score)}) for line in lines),
    )
    found.write(folder.sensitivity)
    write_atomic(folder.sensitivity_page, render(found, spec.to_toml()))
    return found


def _on_all_images(scoring: Scoring) -> Scoring:
    """The same without a rival: a group that does much damage is to be scored on no fewer images than another."""
    network, task, images = scoring.subject.network, scoring.subject.task, scoring.subject.splits.validation
    evaluator = Evaluator(network.model, scoring.pruner.slice, images, task, network.traced.norm_after)
    return replace(scoring, evaluator=evaluator)


@dataclass(frozen=True, slots=True)
class _Given:
    """A searcher that scores what it was given."""

    policies: Sequence[Policy]

    def search(self, problem: Problem) -> None:
        """Score every policy."""
        problem.evaluate(self.policies)


def _cuts(space: SearchSpace, group: int, widths: int) -> list[Policy]:
    """The policies that cut `group` alone, narrowest first: at most `widths`, spread evenly up to the dense width."""
    offered, dense = space.groups[group].widths, space.dense().widths
    picked = np.unique(np.linspace(0, len(offered) - 1, widths + 1).round().astype(int))[:-1]
    return [Policy((*dense[:group], offered[i], *dense[group + 1 :])) for i in picked.tolist()]


def _line(group: ChannelGroup, index: int, trials: Sequence[Trial], dense: Trial) -> GroupLine:
    cuts = tuple(_cut(trial.policy.widths[index], trial, dense.cost) for trial in trials)
    return GroupLine(group=group.name, width=group.width, cuts=cuts, equal=None)


def _cut(width: int, trial: Trial, dense: Cost) -> CutGroup:
    quality, cost = trial.quality, trial.cost
    known = math.isfinite(quality.score)
    return CutGroup(
        width=width,
        score=quality.score if known else None,
        agreement=quality.agreement if known else None,
        kl=quality.kl if known else None,
        macs_saved=1 - cost.macs / dense.macs,
        latency_saved=1 - cost.latency_ms / dense.latency_ms if cost.latency_ms and dense.latency_ms else None,
    )
