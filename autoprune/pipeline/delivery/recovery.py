"""What is won back after pruning: blocks trained on the dense network's, then fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from autoprune.pipeline.subject import Subject, epochs
from autoprune.progress import Progress
from autoprune.pruning import Pruner
from autoprune.spec import RunSpec
from autoprune.tracing.groups import IntArray
from autoprune.training import finetune


def with_blocks_trained(
    spec: RunSpec, pruner: Pruner, refitted: nn.Module, kept: Sequence[IntArray], progress: Progress
) -> nn.Module:
    """What was `refitted` from the units `kept` of each group, its blocks trained where the spec asks for that."""
    if not spec.reconstruction.steps:
        return refitted
    with progress.stage("reconstructing blocks"):
        return pruner.reconstruct(refitted, kept, spec.reconstruction, on_block=progress.advance)


def finetuned(spec: RunSpec, subject: Subject, pruned: nn.Module, progress: Progress) -> nn.Module:
    """`pruned` trained on toward the dense network's answers, and toward the labels where the spec says so."""
    with progress.stage("fine-tuning"):
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
