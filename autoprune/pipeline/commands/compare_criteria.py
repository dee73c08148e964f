"""The comparison of criteria: the same widths for all, their channels chosen by one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autoprune.criteria.criterion import Criterion, criteria, find_criterion, needs_of
from autoprune.criteria.evidence import Evidence
from autoprune.deploy.criteria.document import CriteriaComparison, CriterionRow
from autoprune.deploy.criteria.page import render
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.onnx_file.parity import require_parity
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput
from autoprune.evaluation.splits import draw_splits
from autoprune.files import write_atomic
from autoprune.pipeline.commands.seeds import one_a_seed
from autoprune.pipeline.costs.costing import Costing, cost_policies
from autoprune.pipeline.delivery.export import exported, parity_images
from autoprune.pipeline.delivery.recovery import finetuned, with_blocks_trained
from autoprune.pipeline.goals.outcome import budgets_elsewhere
from autoprune.pipeline.scores.split_scores import split_scores
from autoprune.pipeline.subject import Subject, prepare, pruner_of
from autoprune.progress import Progress, Silent
from autoprune.pruning import Pruner
from autoprune.space import Policy
from autoprune.spec import RunSpec
from autoprune.tracing.groups import IntArray

_SILENT = Silent()


def compare_criteria(
    spec: RunSpec, names: Sequence[str], seeds: int, out: Path, progress: Progress = _SILENT
) -> CriteriaComparison:
    """Score the uniform policy at the spec's budgets with its channels chosen by each criterion (`all` for all).

    Every network is scored sliced, refitted, reconstructed and fine-tuned, the last two where the
    spec asks for them, on the selection and on the test split, and is exported and run. A seed,
    counted from the spec's own, draws the splits and all that is random. Writes criteria.json after
    every row, and criteria.html; the same call again resumes.

    Raises `BadInput` where nothing limits the policy, or the names or seeds break a rule.
    """
    chosen = _chosen(names)
    specs = one_a_seed(spec, seeds, "criteria")
    folder = RunFolder.claim(out, spec)
    subject = prepare(spec, folder, progress)
    costing = cost_policies(subject.network, spec, folder.table, progress)
    feasible = costing.feasible(spec.search.budgets)
    policy = feasible.scaled([0.5] * len(feasible.space))
    held = folder.criteria
    found = CriteriaComparison.load(held) if held.is_file() else _nothing_yet(spec, subject, costing, policy)
    for one in specs:
        asked = [criterion for criterion in chosen if found.row(criterion.name, one.search.seed) is None]
        if not asked:
            continue
        contest = _Contest.of(one, subject, policy, asked, progress)
        found = found.model_copy(update={"gathering_seconds": contest.gathering_seconds})
        for criterion in asked:
            row = contest.row(criterion)
            found = found.model_copy(update={"rows": (*found.rows, row)})
            found.write(folder.criteria)
    write_atomic(folder.criteria_page, render(found, spec.to_toml()))
    return found


def _chosen(names: Sequence[str]) -> list[Criterion]:
    """The criteria of these names, each once; raises `BadInput` for none, and for one that there is not."""
    if not names:
        raise BadInput("name the criteria to compare, as in --criteria l1,taylor,elimination, or --criteria all")
    return list(criteria().values()) if "all" in names else [find_criterion(name) for name in dict.fromkeys(names)]


def _nothing_yet(spec: RunSpec, subject: Subject, costing: Costing, policy: Policy) -> CriteriaComparison:
    groups = subject.network.traced.space.groups
    return CriteriaComparison(
        model=spec.model.name,
        task=subject.task.name,
        metric=subject.task.metric,
        budgets=tuple(BudgetLine.of(budget) for budget in spec.search.budgets),
        also=budgets_elsewhere(spec, costing),
        policy={group.name: width for group, width in zip(groups, policy.widths, strict=True)},
        selection_images=len(subject.splits.selection),
        test_images=len(subject.splits.test),
        dense=split_scores(subject, subject.network.model),
        rows=(),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Contest:
    """What all criteria of one seed have in common; networks that keep the same channels are made once."""

    spec: RunSpec
    subject: Subject
    policy: Policy
    pruner: Pruner
    evidence: tuple[Evidence, ...]
    gathering_seconds: float
    progress: Progress
    made: dict[bytes, CriterionRow]

    @classmethod
    def of(
        cls, spec: RunSpec, subject: Subject, policy: Policy, asked: Sequence[Criterion], progress: Progress
    ) -> _Contest:
        seeded = Subject(subject.task, draw_splits(subject.task, spec.task, spec.search.seed), subject.network)
        with progress.stage("gathering evidence"):
            pruner = pruner_of(spec, subject.network, seeded.splits)
            start = time.perf_counter()
            evidence = pruner.evidence(needs_of(asked))
            seconds = time.perf_counter() - start
        return cls(spec, seeded, policy, pruner, evidence, seconds, progress, {})

    def row(self, criterion: Criterion) -> CriterionRow:
        """What becomes of the channels that `criterion` chooses."""
        seed, pruner = self.spec.search.seed, self.pruner.ranked_by(criterion.name, self.evidence)
        start = time.perf_counter()
        try:
            with self.progress.stage(f"{criterion.name}, seed {seed}"):
                kept = pruner.kept(self.policy)
        except BadInput as error:
            return CriterionRow(criterion=criterion.name, seed=seed, unanswered=str(error))
        seconds = time.perf_counter() - start
        same = b"".join(units.tobytes() for units in kept)
        if same not in self.made:
            self.made[same] = self._recovered(criterion.name, pruner, kept)
        return self.made[same].model_copy(update={"criterion": criterion.name, "ranking_seconds": seconds})

    def _recovered(self, name: str, pruner: Pruner, kept: Sequence[IntArray]) -> CriterionRow:
        """The network of the units `kept`, stage by stage."""
        spec, subject, network = self.spec, self.subject, self.subject.network
        told = {"sliced": split_scores(subject, network.traced.slice(network.model, kept))}
        with self.progress.stage(f"refitting the channels of {name}"):
            last = pruner.apply_kept(kept)
            told["refitted"] = split_scores(subject, last)
        if spec.reconstruction.steps:
            last = with_blocks_trained(spec, pruner, last, kept, self.progress)
            told["reconstructed"] = split_scores(subject, last)
        if spec.finetune.epochs:
            last = finetuned(spec, subject, last, self.progress)
            told["finetuned"] = split_scores(subject, last)
        with exported([last], network.images(spec.device.batch)) as [path]:
            parity = require_parity(last, path, parity_images(subject.splits.selection))
        return CriterionRow(criterion=name, seed=spec.search.seed, parity=parity, **told)
