"""Fine-tune a pruned network toward its dense teacher, and the labels where that is asked for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from autoprune.spec import FinetuneSpec
from autoprune.training.checkpoint import correct
from autoprune.training.data import Augment, Samples, Score
from autoprune.training.fit import Epoch, fit


def finetune(
    model: nn.Module,
    teacher: nn.Module,
    train: Samples,
    judging: Samples,
    spec: FinetuneSpec,
    *,
    seed: int,
    augment: Augment | None = None,
    score: Score = correct,
    device: str | torch.device = "cpu",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> nn.Module:
    """A copy of `model` trained as `spec` says on `train`; `judging`, none of which is in `train`, chooses the epoch.

    The start is a candidate, so the result never scores clearly worse than `model` on `judging`. `augment` may
    be strong: `teacher` is shown the same images as the student, and says what is left in them
    (Beyer et al., CVPR 2022). See `fit` for what is kept, what is random and what is raised.
    """
    return fit(
        model,
        train,
        **spec.model_dump(),
        teacher=teacher,
        validation=judging,
        augment=augment,
        score=score,
        seed=seed,
        device=device,
        on_epoch=on_epoch,
    )
