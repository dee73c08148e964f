"""Who sees which images: calibration, validation, selection, train and test splits of a task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autoprune.errors import BadInput
from autoprune.evaluation.augment import Augment
from autoprune.evaluation.images import ImageSet, Subset
from autoprune.evaluation.task import Task
from autoprune.spec import TaskSpec

_JUDGE_SHARE = 8  # validation and selection each take an eighth of held-out images, at most a quarter of seen ones
_HOLDOUT_SEED = 0
_CHUNK = 256


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images that are drawn once and stay: an `ImageSet` whose tensors can also be read whole.

    `inputs` normalised float32 (N, C, H, W), `targets` int64 (N,), and `sources` int64 (N,): the
    index in the task's training images that each was made from. Two may share a source, and then
    differ in augmentation.
    """

    inputs: Tensor
    targets: Tensor
    sources: Tensor

    def __post_init__(self) -> None:
        if not len(self.inputs) == len(self.targets) == len(self.sources) > 0:
            counts = (len(self.inputs), len(self.targets), len(self.sources))
            raise BadInput(f"a split has at least one image, and a target and a source for each, got {counts}")

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """See `ImageSet.batch`."""
        return self.inputs[indices], self.targets[indices]


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """What each stage of a run may see; `draw_splits` tells how they are drawn.

    `calibration` feeds statistics and least-squares fits, `validation` scores policies during the
    search, `selection` chooses among the finalists, `train` is trained on, `test` is for the final
    report and nothing else.
    """

    calibration: Split
    validation: Split
    selection: Split
    train: ImageSet
    test: ImageSet


def draw_splits(task: Task, sizes: TaskSpec, seed: int) -> Splits:
    """Draw the splits of `task` with `seed`; calibration, validation and selection share no image.

    `train` is all that validation and selection leave. It holds the calibration images too: both
    fit the network, neither judges it.

    *The network has seen its training images* (`task.holdout` is false): validation and selection
    are different images, at most a quarter of all each, and every one is disturbed, because on the
    plain ones a network makes no mistakes that a search could learn from.

    *Held out* (`task.holdout`): a quarter of the images, the same for every seed and size, never
    enters `train`; half of it is for validation, half for selection, and which half an image is in
    depends on the seed. The images come plain first.

    Calibration alternates augmented images with disturbed ones: a network refitted on both follows
    the dense one further than one refitted on plain images. A split that asks for more than it may
    have uses its images again, each time in another draw.

    Raises `BadInput` where there are too few images for a split each, or a class is out of range.
    """
    validation, selection, rest = _pools(task, sizes, seed)
    return Splits(
        calibration=_calibration(task, rest, sizes.calibration, _generator(seed, 1)),
        validation=_judging(task, validation, sizes.validation, _generator(seed, 2)),
        selection=_judging(task, selection, sizes.selection, _generator(seed, 3)),
        train=Subset(task.train, rest.sort().values),
        test=task.test,
    )


def _pools(task: Task, sizes: TaskSpec, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of training images for validation, for selection, and all the others, each in random order."""
    count = len(task.train)
    if count < _JUDGE_SHARE:
        raise BadInput(f"task {task.name} needs at least {_JUDGE_SHARE} training images to split, has {count}")
    generator = _generator(seed, 0)
    if task.holdout:
        order = torch.randperm(count, generator=_generator(_HOLDOUT_SEED, 0))
        half = count // _JUDGE_SHARE
        held, rest = order[: 2 * half], order[2 * half :]
        held = held[torch.randperm(len(held), generator=generator)]
        return held[:half], held[half:], rest[torch.randperm(len(rest), generator=generator)]
    order = torch.randperm(count, generator=generator)
    most = 2 * count // _JUDGE_SHARE
    validation, selection = min(sizes.validation, most), min(sizes.selection, most)
    judging = validation + selection
    return order[:validation], order[validation:judging], order[judging:]


def _judging(task: Task, pool: Tensor, size: int, generator: torch.Generator) -> Split:
    """Images that score a network: disturbed, but for the first pass over unseen ones."""
    position = torch.arange(size)
    plain = (position < len(pool)) if task.holdout else torch.zeros(size, dtype=torch.bool)
    return _materialise(task, pool[position % len(pool)], plain, task.disturb, generator)


def _calibration(task: Task, pool: Tensor, size: int, generator: torch.Generator) -> Split:
    """Images that statistics are gathered on: every second one augmented, the others disturbed."""
    position = torch.arange(size)
    chosen, even = pool[position % len(pool)], position % 2 == 0
    augmented = _materialise(task, chosen, torch.zeros(size, dtype=torch.bool), task.augment, generator)
    disturbed = _materialise(task, chosen, torch.zeros(size, dtype=torch.bool), task.disturb, generator)
    inputs = torch.where(even.view(-1, 1, 1, 1), augmented.inputs, disturbed.inputs)
    return Split(inputs, augmented.targets, chosen)


def _materialise(task: Task, sources: Tensor, plain: Tensor, change: Augment, generator: torch.Generator) -> Split:
    """The training images at `sources`, changed where `plain` is false."""
    inputs, targets = [], []
    for chunk, keep in zip(torch.split(sources, _CHUNK), torch.split(plain, _CHUNK), strict=True):
        images, classes = task.train.batch(chunk)
        inputs.append(torch.where(keep.view(-1, 1, 1, 1), images, change(images, generator)))
        targets.append(classes)
    split = Split(torch.cat(inputs), torch.cat(targets), sources)
    _check(task, split)
    return split


def _check(task: Task, split: Split) -> None:
    if tuple(split.inputs.shape[1:]) != task.input_shape:
        raise BadInput(f"task {task.name}: images are {task.input_shape}, got {tuple(split.inputs.shape[1:])}")
    least, most = int(split.targets.min()), int(split.targets.max())
    if least < 0 or most >= task.num_classes:
        raise BadInput(f"task {task.name}: classes run from 0 to {task.num_classes - 1}, got {least} to {most}")


def _generator(seed: int, stream: int) -> torch.Generator:
    """A generator of its own for each (seed, stream)."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)
