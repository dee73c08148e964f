"""The evaluator: a policy's quality on a split, and per-image scores of any network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.errors import BadInput
from autoprune.evaluation.images import ImageSet
from autoprune.evaluation.inference import folded, outputs
from autoprune.evaluation.prefixes import KEPT_BYTES, Course, Prefixes
from autoprune.evaluation.task import Task
from autoprune.objective import Quality
from autoprune.space import Policy

_FIRST = 256  # images that a policy which is worse than its rival is scored on
_SURE = 3.0  # standard errors: chance alone goes that far once in 700 times


def scores(model: nn.Module, images: ImageSet, task: Task) -> Tensor:
    """The task's score of each image [N], in [0, 1]."""
    answers, targets = outputs(model, images)
    return task.score(answers, targets)


class Evaluator:
    """Scores policies on one split: slice, forward, compare with the labels and with the dense network.

    `apply` makes the network of a policy, `norm_after` says which batch norm alone reads a layer's
    output, so that it can be folded. With a `rival`, a policy that the first 256 images show to be
    worse than that one is not run on the others: its quality is the rival's, plus the mean
    difference between the two on these images (a race with one rival: Maron and Moore, Hoeffding
    Races, NIPS 1993, here with paired differences). A policy that is better than the rival is always
    scored on all images, so that the best one is found with a race if it is found without.

    Raises `BadInput` where the dense network answers with NaN; a pruned one that does has a NaN
    quality, which searchers take as the worst.
    """

    def __init__(
        self,
        dense: nn.Module,
        apply: Callable[[Policy], nn.Module],
        images: ImageSet,
        task: Task,
        norm_after: Mapping[str, str] = MappingProxyType({}),
        *,
        rival: Policy | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._apply, self._images, self._task, self._norm_after = apply, images, task, norm_after
        self._prefixes = Prefixes(images, kept_bytes)
        answers, _ = outputs(self._course(dense), images)
        if not bool(torch.isfinite(answers).all()):
            raise BadInput("the network's outputs hold NaN or infinity on the task's images; check weights and scaling")
        if answers.ndim != 2 or answers.shape[1] < task.num_classes:
            expected = f"[N, {task.num_classes}]"
            raise BadInput(
                f"task {task.name} needs outputs of shape {expected}, the network gives {list(answers.shape)}"
            )
        self._dense_log = F.log_softmax(answers.double(), dim=1)
        races = rival is not None and len(images) > _FIRST
        self._rival = self._results(self._course(apply(rival))) if races and rival is not None else None

    def __call__(self, policies: Sequence[Policy]) -> Iterator[Quality]:
        """Qualities of `policies`, each as soon as it is known."""
        return (self.quality_of(policy) for policy in policies)

    def quality_of(self, policy: Policy) -> Quality:
        """Quality of one policy's network."""
        model = self._apply(policy)
        if self._rival is None:
            return self.quality(model)
        course = self._course(model)
        first = self._results(course, slice(_FIRST))
        change = first - self._rival[:_FIRST]
        if _clearly_worse(change):
            return _quality(self._rival.mean(0) + change.mean(0))
        return _quality(torch.cat([first, self._results(course, slice(_FIRST, None))]).mean(0))

    def quality(self, model: nn.Module) -> Quality:
        """Quality of any network with the dense one's outputs, on all images."""
        return _quality(self._results(self._course(model)).mean(0))

    def _course(self, model: nn.Module) -> Course:
        """How a network, made ready for inference, passes over the images."""
        return self._prefixes.course(folded(model, self._norm_after))

    def _results(self, course: Course, part: slice = slice(None)) -> Tensor:
        """Score, agreement and divergence of each image of a part of the split [n, 3]; NaN where an answer is."""
        answers, targets = outputs(course, self._images, part=part)
        if not bool(torch.isfinite(answers).all()):
            return torch.full((len(answers), 3), math.nan, dtype=torch.float64)
        dense, log = self._dense_log[part], F.log_softmax(answers.double(), dim=1)
        score = self._task.score(answers, targets).double()
        agreement = (log.argmax(1) == dense.argmax(1)).double()
        return torch.stack([score, agreement, (dense.exp() * (dense - log)).sum(1)], dim=1)


def _clearly_worse(change: Tensor) -> bool:
    """Whether score and divergence both are worse by more than chance: their `change` [n, 3] against the rival."""
    mean, error = change.mean(0), change.std(0) / len(change) ** 0.5
    return bool(mean[0] < -_SURE * error[0]) and bool(mean[2] > _SURE * error[2])


def _quality(means: Tensor) -> Quality:
    """From the means of score, agreement and divergence [3], which an estimate may put outside of their ranges."""
    score, agreement, kl = means.tolist()
    return Quality(_clipped(score, 1.0), _clipped(agreement, 1.0), _clipped(kl, math.inf))


def _clipped(value: float, most: float) -> float:
    return value if math.isnan(value) else min(max(value, 0.0), most)
