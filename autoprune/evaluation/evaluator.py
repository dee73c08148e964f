"""The evaluator: a policy's quality on a split, and per-image scores of any network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.errors import BadInput
from autoprune.evaluation.images import ImageSet
from autoprune.evaluation.task import Task
from autoprune.objective import Quality
from autoprune.space import Policy

_BATCH = 128


def outputs(model: nn.Module, images: ImageSet, batch: int = _BATCH) -> tuple[Tensor, Tensor]:
    """The network's outputs [N, classes] and the targets [N] of a split, in order, in eval mode.

    Raises `BadInput` where the network answers with anything but one tensor.
    """
    model.eval()
    answers, targets = [], []
    with torch.inference_mode():
        for indices in torch.split(torch.arange(len(images)), batch):
            inputs, truth = images.batch(indices)
            answer = model(inputs)
            if not isinstance(answer, Tensor):
                raise BadInput(
                    f"a network must answer with one tensor [N, classes], this gives a {type(answer).__name__}"
                )
            answers.append(answer)
            targets.append(truth)
    return torch.cat(answers), torch.cat(targets)


def scores(model: nn.Module, images: ImageSet, task: Task) -> Tensor:
    """The task's score of each image [N], in [0, 1]."""
    answers, targets = outputs(model, images)
    return task.score(answers, targets)


class Evaluator:
    """Scores policies on one split: slice, forward, compare with the labels and with the dense network.

    `apply` makes the network of a policy. Raises `BadInput` where the dense network answers with
    NaN; a pruned one that does has a NaN quality, which searchers take as the worst.
    """

    def __init__(self, dense: nn.Module, apply: Callable[[Policy], nn.Module], images: ImageSet, task: Task) -> None:
        self._apply, self._images, self._task = apply, images, task
        answers, _ = outputs(dense, images)
        if not bool(torch.isfinite(answers).all()):
            raise BadInput("the network's outputs hold NaN or infinity on the task's images; check weights and scaling")
        if answers.ndim != 2 or answers.shape[1] < task.num_classes:
            expected = f"[N, {task.num_classes}]"
            raise BadInput(
                f"task {task.name} needs outputs of shape {expected}, the network gives {list(answers.shape)}"
            )
        self._dense_log = F.log_softmax(answers.double(), dim=1)

    def __call__(self, policies: Sequence[Policy]) -> Iterator[Quality]:
        """Qualities of `policies`, each as soon as it is known."""
        return (self.quality_of(policy) for policy in policies)

    def quality_of(self, policy: Policy) -> Quality:
        """Quality of one policy's network."""
        return self.quality(self._apply(policy))

    def quality(self, model: nn.Module) -> Quality:
        """Quality of any network with the dense one's outputs."""
        answers, targets = outputs(model, self._images)
        if not bool(torch.isfinite(answers).all()):
            return Quality(float("nan"), float("nan"), float("nan"))
        log = F.log_softmax(answers.double(), dim=1)
        divergence = (self._dense_log.exp() * (self._dense_log - log)).sum(1).mean()
        return Quality(
            score=float(self._task.score(answers, targets).double().mean()),
            agreement=float((log.argmax(1) == self._dense_log.argmax(1)).double().mean()),
            kl=max(0.0, float(divergence)),
        )
