"""The front of a search: its best trades of score against cost, some of them refitted and scored again."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

import numpy as np

from autoprune.cost import Metric
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.document.standing import score_interval
from autoprune.deploy.front.document import FrontFile, Point
from autoprune.deploy.front.page import render_front
from autoprune.deploy.run_folder import RunFolder
from autoprune.feasible import FeasibleSet
from autoprune.files import write_atomic
from autoprune.front import front, non_dominated
from autoprune.pipeline.goals.levels import ladder
from autoprune.pipeline.goals.search import Explored
from autoprune.pipeline.subject import Subject
from autoprune.progress import Progress
from autoprune.space import Policy
from autoprune.spec import RunSpec
from autoprune.trial import Trial


def front_of(
    spec: RunSpec, subject: Subject, feasible: FeasibleSet, explored: Explored, progress: Progress
) -> FrontFile:
    """The front of what was explored, and the dense network beside it.

    The best policy of each budget level is refitted layer by layer and scored on the selection split.
    """
    traded, judge = spec.search.traded, explored.judge
    best = front(explored.searched.trials, traded)
    finalists = _best_of_levels(best, feasible, spec)
    chosen: dict[Policy, float] = {}
    with progress.stage("refitting the front"):
        for policy in finalists:
            chosen[policy] = judge.judge(policy).quality.score
            progress.advance(len(chosen), len(finalists), f"selection score {chosen[policy]:.4f}")
    images = subject.images_scored(subject.splits.selection)
    dense_score = judge.evaluator.quality(subject.network.model).score
    return FrontFile(
        model=spec.model.name,
        task=subject.task.name,
        metric=subject.task.metric,
        traded=traded,
        budgets=tuple(BudgetLine.of(b) for b in spec.search.budgets),
        dense=_point(feasible, explored.dense, dense_score, images),
        points=_marked([_point(feasible, trial, chosen.get(trial.policy), images) for trial in best], traded),
    )


def write_front(found: FrontFile, spec: RunSpec, folder: RunFolder) -> None:
    """front.json and front.html."""
    metric = found.traded[0]
    command = shlex.join(["autoprune", "retarget", str(folder.path), "--budget", f"{metric}=0.5x"])
    write_atomic(folder.front_page, render_front(found, command, spec.to_toml()))
    found.write(folder.front)


def _best_of_levels(best: Sequence[Trial], feasible: FeasibleSet, spec: RunSpec) -> list[Policy]:
    """The policies of largest reward on the front that keep each of the levels that were searched."""
    chosen: dict[Policy, None] = {}
    for level in ladder(feasible, spec.search.traded, spec.search.levels):
        within = [t for t in best if all(t.cost.of(b.metric) <= b.limit for b in level)]
        if within:
            chosen[max(within, key=lambda trial: trial.rank_key).policy] = None
    return list(chosen)


def _point(feasible: FeasibleSet, trial: Trial, selection: float | None, images: int | None) -> Point:
    """A trial with its score on the selection split, `images` of them where it is a share of images."""
    known = selection if selection is not None and math.isfinite(selection) else None
    return Point(
        policy=dict(zip((g.name for g in feasible.space.groups), trial.policy.widths, strict=True)),
        reward=trial.reward,
        validation=trial.quality.score,
        selection=known,
        selection_ci95=None if known is None else score_interval(known, images),
        costs=trial.cost.known,
    )


def _marked(points: Sequence[Point], traded: Sequence[Metric]) -> tuple[Point, ...]:
    """The points, those that were refitted marked as best or not."""
    refitted = [point for point in points if point.selection is not None]
    losses = [[-(point.selection or 0.0), *(point.costs[metric] for metric in traded)] for point in refitted]
    best = dict(zip(map(id, refitted), non_dominated(np.array(losses)).tolist(), strict=True))
    return tuple(point.model_copy(update={"best": best.get(id(point))}) for point in points)
