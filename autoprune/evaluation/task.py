"""A task: labelled images, how they may be changed, and how an answer is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from autoprune.errors import BadInput
from autoprune.evaluation.augment import Augment, unchanged
from autoprune.evaluation.images import ImageSet
from autoprune.spec import TrainingSpec

Score = Callable[[Tensor, Tensor], Tensor]
"""Maps outputs (N, num_classes) and targets (N,) to one score in [0, 1] an image (float32, (N,)), higher is better."""


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 where the largest output is the target's, else 0: the mean over images is the accuracy."""
    return (outputs.argmax(dim=1) == targets).float()


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Data with a metric; `draw_splits` makes of it what each stage of a run may see.

    `train` and `test` are sets of labelled images; only the final report may touch `test`.
    `input_shape` is (C, H, W). `score` judges each image, `metric` names the mean over images.

    `augment` is for training batches. `disturb` is for the images that score policies: where the
    network has seen them it must be strong enough to cause mistakes. `holdout` tells that the
    network was trained on `Splits.train` alone, so the images that score policies are unseen.
    `recipe` trains a dense network in the run, or None where its weights must be given.
    """

    name: str
    num_classes: int
    input_shape: tuple[int, int, int]
    train: ImageSet
    test: ImageSet
    augment: Augment = unchanged
    disturb: Augment = unchanged
    holdout: bool = False
    recipe: TrainingSpec | None = None
    metric: str = "accuracy"
    score: Score = correct

    def __post_init__(self) -> None:
        if self.num_classes < 2:
            raise BadInput(f"task {self.name} needs at least 2 classes to tell apart, has {self.num_classes}")
        if len(self.input_shape) != 3 or min(self.input_shape) < 1:
            raise BadInput(f"task {self.name}: input_shape is (C, H, W), all positive, got {self.input_shape}")
        for part, images in (("training", self.train), ("test", self.test)):
            if len(images) == 0:
                raise BadInput(f"task {self.name} has no {part} images")

    @property
    def strongest(self) -> Augment:
        """The changes that leave the most to learn from a teacher: `disturb`, or `augment` where there is no such."""
        return self.augment if self.disturb is unchanged else self.disturb
