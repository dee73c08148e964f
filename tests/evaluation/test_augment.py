from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from autoprune.errors import BadInput
from autoprune.evaluation.augment import Augmentation, unchanged

_ALL = Augmentation(shift=0.2, flip=True, degrees=15, zoom=0.2, contrast=0.3, brightness=0.3, tint=0.2, noise=0.1)


def _images(n: int = 8, channels: int = 3, height: int = 8, width: int = 8) -> Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(5))


def _changed(augmentation: Augmentation, images: Tensor, seed: int = 0) -> Tensor:
    return augmentation(images, torch.Generator().manual_seed(seed))


@given(
    n=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    height=st.integers(4, 12),
    width=st.integers(4, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_shape_and_finiteness_stay_the_seed_decides_and_the_input_is_left_alone(
    n: int, channels: int, height: int, width: int, seed: int
) -> None:
    images = _images(n, channels, height, width)
    before = images.clone()
    first = _changed(_ALL, images, seed)
    assert first.shape == images.shape
    assert bool(torch.isfinite(first).all())
    assert torch.equal(first, _changed(_ALL, images, seed))
    assert torch.equal(images, before)


def test_strength_zero_changes_nothing() -> None:
    images = _images()
    assert torch.equal(_changed(Augmentation(), images), images)
    assert torch.equal(unchanged(images, torch.Generator()), images)


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    images = _images(200)
    changed = _changed(Augmentation(flip=True), images)
    torch.testing.assert_close(_either(changed, images, images.flip(3)), changed)
    mirrored = (changed - images).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert 60 < int(mirrored.sum()) < 140


def test_a_shift_alone_moves_by_whole_pixels_and_fills_with_the_reflection() -> None:
    image = torch.arange(64.0).view(1, 1, 8, 8)
    padded = torch.cat([image[..., :2].flip(3), image, image[..., -2:].flip(3)], dim=3)
    padded = torch.cat([padded[..., :2, :].flip(2), padded, padded[..., -2:, :].flip(2)], dim=2)
    crops = {(dy, dx): padded[:, :, dy : dy + 8, dx : dx + 8] for dy in range(5) for dx in range(5)}
    seen = set()
    for changed in _changed(Augmentation(shift=0.25), image.expand(400, 1, 8, 8)):
        matches = [at for at, crop in crops.items() if torch.allclose(crop[0], changed, atol=1e-3)]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) == 25


def test_rotation_keeps_the_centre_and_moves_the_rim_within_its_angle() -> None:
    """A bright dot 6 pixels right of the centre stays on its circle, at most 30 degrees away."""
    image = torch.zeros(1, 1, 33, 21)
    image[..., 16, 16] = 1.0
    ys, xs = torch.meshgrid(torch.arange(33.0) - 16, torch.arange(21.0) - 10, indexing="ij")
    for changed in _changed(Augmentation(degrees=30), image.expand(50, 1, 33, 21)):
        weight = changed[0] / changed.sum()
        y, x = float((weight * ys).sum()), float((weight * xs).sum())
        assert (x**2 + y**2) ** 0.5 == pytest.approx(6, abs=0.2)
        assert abs(y / x) <= 0.65  # tan 30 degrees, and the blur of a pixel


def test_zoom_stays_between_its_ends() -> None:
    image = torch.zeros(1, 1, 21, 21)
    image[..., 10, 16] = 1.0
    xs = torch.arange(21.0) - 10
    places = [
        float((c[0].sum(0) / c.sum() * xs).sum())
        for c in _changed(Augmentation(zoom=0.5), image.expand(200, 1, 21, 21))
    ]
    assert 6 / 1.5 - 0.2 < min(places) < 5 < 7 < max(places) < 6 * 1.5 + 0.2


def test_light_changes_leave_the_geometry_alone() -> None:
    images = _images(channels=3)
    changed = _changed(Augmentation(contrast=0.3, brightness=0.3, tint=0.2), images)
    assert not torch.allclose(changed, images, atol=0.05)
    for before, after in zip(images.flatten(0, 1), changed.flatten(0, 1), strict=True):
        stacked = torch.stack([before.flatten(), after.flatten()])
        assert float(torch.corrcoef(stacked)[0, 1]) == pytest.approx(1, abs=1e-4)


def test_noise_has_its_deviation() -> None:
    images = _images(64)
    assert float((_changed(Augmentation(noise=0.1), images) - images).std()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["shift", "degrees", "zoom", "noise"])
def test_impossible_strengths_are_refused(name: str, strength: float) -> None:
    with pytest.raises(BadInput, match="strengths"):
        Augmentation(**{name: strength})  # type: ignore[arg-type]


def _either(changed: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Per image the one of two candidates that `changed` is closer to."""
    nearer = (changed - first).abs().amax((1, 2, 3)) < (changed - second).abs().amax((1, 2, 3))
    return torch.where(nearer.view(-1, 1, 1, 1), first, second)
