"""The networks that may be handed over: the chosen one, its blocks trained on the dense network's, and fine-tuned."""

from __future__ import annotations

from torch import nn

from autoprune.pipeline.costs.costing import Costing
from autoprune.pipeline.delivery.measuring import Candidate
from autoprune.pipeline.goals.search import Found
from autoprune.pipeline.subject import Subject, epochs
from autoprune.progress import Progress
from autoprune.spec import RunSpec
from autoprune.training import finetune


def candidates_of(
    spec: RunSpec, subject: Subject, costing: Costing, found: Found, progress: Progress
) -> dict[str, Candidate]:
    """The networks by name: dense, pruned, and finetuned where the spec asks for that; the last is handed over."""
    dense, cost = (costing.model.cost(policy) for policy in (costing.space.dense(), found.policy))
    pruned = _reconstructed(spec, found, progress)
    networks = {"dense": Candidate(subject.network.model, dense), "pruned": Candidate(pruned, cost)}
    if not spec.finetune.epochs:
        return networks
    with progress.stage("fine-tuning"):
        return {**networks, "finetuned": Candidate(_finetuned(spec, subject, pruned, progress), cost)}


def _reconstructed(spec: RunSpec, found: Found, progress: Progress) -> nn.Module:
    """The chosen network, its blocks trained to answer as the dense one's where the spec asks for that."""
    if not spec.reconstruction.steps:
        return found.pruned
    with progress.stage("reconstructing blocks"):
        pruner = found.judge.pruner
        return pruner.reconstruct(found.pruned, found.kept, spec.reconstruction, on_block=progress.advance)


def _finetuned(spec: RunSpec, subject: Subject, pruned: nn.Module, progress: Progress) -> nn.Module:
    """`pruned` trained on toward the dense network's answers, and toward the labels where the spec says so."""
    return finetune(
        pruned,
        subject.network.model,
        subject.splits.train,
        subject.splits.selection,
        spec.finetune,
        seed=spec.search.seed,
        augment=subject.task.strongest,
        score=subject.task.score,
        on_epoch=epochs(progress),
    )
