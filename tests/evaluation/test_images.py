from __future__ import annotations

import numpy as np
import pytest
import torch

from autoprune.errors import BadInput
from autoprune.evaluation.images import Normalisation, PixelSet, Subset

_RNG = np.random.default_rng(0)
_PIXELS = _RNG.integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
_CLASSES = np.array([0, 1, 2, 0, 1], dtype=np.int16)
_NORMALISE = Normalisation(mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


def test_pixels_are_normalised_channel_by_channel() -> None:
    images = PixelSet.of(_PIXELS, _CLASSES, _NORMALISE)
    inputs, targets = images.batch(torch.tensor([3, 1]))
    assert len(images) == 5
    assert inputs.dtype == torch.float32
    assert targets.dtype == torch.int64
    assert targets.tolist() == [0, 1]
    expected = (_PIXELS[[3, 1]] / 255 - np.array([0.5, 0.4, 0.3])[:, None, None]) / np.array([0.2, 0.3, 0.4])[
        :, None, None
    ]
    np.testing.assert_allclose(inputs.numpy(), expected, atol=1e-5)


def test_the_peak_is_the_brightest_pixel() -> None:
    normalise = Normalisation(mean=(0.0,), std=(1.0,), peak=16.0)
    assert float(normalise(torch.full((1, 1, 1, 1), 16, dtype=torch.uint8))) == 1.0


def test_a_subset_renumbers() -> None:
    whole = PixelSet.of(_PIXELS, _CLASSES, _NORMALISE)
    part = Subset(whole, torch.tensor([4, 2]))
    assert len(part) == 2
    inputs, targets = part.batch(torch.tensor([1, 0]))
    expected, classes = whole.batch(torch.tensor([2, 4]))
    assert torch.equal(inputs, expected)
    assert torch.equal(targets, classes)


@pytest.mark.parametrize(
    ("mean", "std"), [((), ()), ((0.5,), (0.2, 0.3)), ((0.5,), (0.0,)), ((0.5,), (-1.0,)), ((float("nan"),), (1.0,))]
)
def test_impossible_normalisations_are_refused(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(BadInput):
        Normalisation(mean, std)


@pytest.mark.parametrize(
    ("pixels", "classes"), [(_PIXELS[:, :1], _CLASSES), (_PIXELS[0], _CLASSES), (_PIXELS, _CLASSES[:4])]
)
def test_arrays_that_do_not_fit_are_refused(pixels: np.ndarray, classes: np.ndarray) -> None:
    with pytest.raises(BadInput):
        PixelSet.of(pixels, classes, _NORMALISE)
