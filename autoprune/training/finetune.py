"""Fine-tune a pruned network toward the labels and its dense teacher."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from autoprune.spec import FinetuneSpec
from autoprune.training.checkpoint import correct
from autoprune.training.data import Augment, Score, TrainingSplits
from autoprune.training.fit import Epoch, fit


def finetune(
    model: nn.Module,
    teacher: nn.Module | None,
    splits: TrainingSplits,
    spec: FinetuneSpec,
    *,
    seed: int,
    augment: Augment | None = None,
    score: Score = correct,
    device: str | torch.device = "cpu",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> nn.Module:
    """A copy of `model` trained as `spec` says on `splits.train`; `splits.validation` chooses the checkpoint.

    The start is a candidate, so the result is never worse than `model` on the validation split.
    With `teacher` None and no distillation in `spec` this trains a dense network as well. See
    `fit` for what is kept, what is random and what is raised.
    """
    return fit(
        model,
        splits.train,
        **spec.model_dump(),
        teacher=teacher,
        validation=splits.validation,
        augment=augment,
        score=score,
        seed=seed,
        device=device,
        on_epoch=on_epoch,
    )
