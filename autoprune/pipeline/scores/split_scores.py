"""What a network scores on the split that chooses and on the one that does not."""

from __future__ import annotations

from torch import nn

from autoprune.deploy.document.split_scores import SplitScores
from autoprune.evaluation.evaluator import scores
from autoprune.pipeline.subject import Subject


def split_scores(subject: Subject, module: nn.Module) -> SplitScores:
    """Mean scores of `module` on all images of the subject's selection and test splits."""
    splits = (subject.splits.selection, subject.splits.test)
    selection, test = (float(scores(module, split, subject.task).double().mean()) for split in splits)
    return SplitScores(selection=selection, test=test)
