"""The `cifar10` task: 32x32 colour images of ten classes (A. Krizhevsky, 2009), from any of their usual files."""

from __future__ import annotations

from pathlib import Path

from autoprune.evaluation.augment import Augmentation
from autoprune.evaluation.cifar10_files import read_cifar10
from autoprune.evaluation.images import Normalisation, PixelSet
from autoprune.evaluation.task import Task

_NORMALISE = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

AUGMENT = Augmentation(shift=0.125, flip=True)
"""What colour photographs are trained with: shifted by up to an eighth of the side (4 of 32 pixels), and mirrored."""

DISTURB = Augmentation(shift=0.125, flip=True, degrees=10, zoom=0.1, contrast=0.2, brightness=0.2, tint=0.1)
"""Chosen on training images alone: a ResNet-56 that gets 99.98% of them right gets about 95% of them disturbed."""


def cifar10(data: Path, holdout: bool = False) -> Task:
    """Ten classes, inputs (3, 32, 32), from the file or folder `data` (see `read_cifar10` for its forms).

    A network is expected to come trained on these training images, so those that score policies
    are disturbed; `holdout` tells instead that it was trained on `Splits.train` of this task alone.

    Raises `BadInput` where the data are not there or not CIFAR-10, `CorruptFile` where damaged.
    """
    train, test = read_cifar10(data)
    return Task(
        name="cifar10",
        num_classes=10,
        input_shape=(3, 32, 32),
        train=PixelSet.of(train.pixels, train.classes, _NORMALISE),
        test=PixelSet.of(test.pixels, test.classes, _NORMALISE),
        augment=AUGMENT,
        disturb=DISTURB,
        holdout=holdout,
    )
