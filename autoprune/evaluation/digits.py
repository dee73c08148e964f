"""The `digits` task: 1,797 handwritten digits of 8x8 pixels that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from autoprune.evaluation.augment import Augmentation
from autoprune.evaluation.images import Normalisation, PixelSet
from autoprune.evaluation.task import Task
from autoprune.spec import TrainingSpec

_TEST_IMAGES = 600
_PEAK = 16.0  # a pixel counts the dark dots, 0 to 16, in a square of 4x4
_AUGMENT = Augmentation(shift=0.03, degrees=6, zoom=0.05)
_DISTURB = Augmentation(shift=0.06, degrees=10, zoom=0.1)


def digits() -> Task:
    """Ten classes, inputs (1, 8, 8); E. Alpaydin and C. Kaynak, UCI repository, 1998.

    600 images, always the same, are for the test. The others are the task's training images, and
    since its dense network is trained in the run, those that score policies are held out: of the
    1,197, 899 train the network and feed calibration, 149 are for validation and 149 for selection.
    """
    from sklearn.datasets import load_digits  # takes a second, which other tasks need not wait

    bunch = load_digits()
    pixels = bunch.images.astype(np.uint8)[:, None]
    order = np.random.default_rng(0).permutation(len(pixels))
    test, train = order[:_TEST_IMAGES], order[_TEST_IMAGES:]
    ink = pixels[train] / _PEAK
    normalise = Normalisation((float(ink.mean()),), (float(ink.std()),), _PEAK)
    return Task(
        name="digits",
        num_classes=10,
        input_shape=(1, 8, 8),
        train=PixelSet.of(pixels[train], bunch.target[train], normalise),
        test=PixelSet.of(pixels[test], bunch.target[test], normalise),
        augment=_AUGMENT,
        disturb=_DISTURB,
        holdout=True,
        recipe=TrainingSpec(epochs=8, learning_rate=0.03, weight_decay=1e-3, batch=16),
    )
