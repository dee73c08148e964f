"""What is won back after pruning: blocks trained on the dense network's, then fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from autoprune.pipeline.subject import Subject, epochs
from autoprune.progress import Progress
from autoprune.pruning import Pruner
from autoprune.spec import RunSpec
from autoprune.tracing.groups import IntArray
from autoprune.training import Data, fit


def with_blocks_trained(
    spec: RunSpec, pruner: Pruner, refitted: nn.Module, kept: Sequence[IntArray], progress: Progress
) -> nn.Module:
    """What was `refitted` from the units `kept` of each group, its blocks trained where the spec asks for that."""
    if not spec.reconstruction.steps:
        return refitted
    with progress.stage("reconstructing blocks"):
        return pruner.reconstruct(refitted, kept, spec.reconstruction, on_block=progress.advance)


def finetuned(
    spec: RunSpec, subject: Subject, pruned: nn.Module, progress: Progress, kept: Path | None = None
) -> nn.Module:
    """`pruned` trained on toward the dense network's answers, and toward the labels where the spec says so.

    The selection split chooses the epoch, the start being a candidate. The images are changed as strongly as the
    task has it: the teacher is shown the same ones, and says what is left in them (Beyer et al., CVPR 2022).
    """
    splits, task = subject.splits, subject.task
    data = Data(splits.train, splits.selection, task.strongest, task.score)
    with progress.stage("fine-tuning"):
        return fit(
            pruned,
            data,
            spec.finetune,
            teacher=subject.network.model,
            seed=spec.search.seed,
            kept=kept,
            on_epoch=epochs(progress),
        )
