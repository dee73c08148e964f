from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autoprune.errors import BadInput
from autoprune.evaluation.augment import Augmentation
from autoprune.evaluation.cifar10 import cifar10
from autoprune.evaluation.digits import digits
from autoprune.evaluation.evaluator import scores
from autoprune.evaluation.images import Normalisation, PixelSet, Subset
from autoprune.evaluation.splits import Split, Splits, draw_splits
from autoprune.evaluation.task import Task
from autoprune.models import load_model
from autoprune.spec import ModelSpec, TaskSpec


def _task(count: int, holdout: bool) -> Task:
    """Images of one pixel whose value is their index: it tells where each came from."""
    pixels = torch.arange(count, dtype=torch.int32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    images = PixelSet(pixels, torch.arange(count) % 3, Normalisation((0.0,), (1.0,), peak=1.0))
    small = Augmentation(brightness=0.2)
    return Task("toy", 3, (1, 2, 2), train=images, test=images, augment=small, disturb=small, holdout=holdout)


def _sizes(calibration: int, validation: int, selection: int) -> TaskSpec:
    return TaskSpec(name="toy", calibration=calibration, validation=validation, selection=selection)


def _sources(images: Split) -> set[int]:
    return set(images.sources.tolist())


def _train_sources(splits: Splits) -> set[int]:
    inputs, _ = splits.train.batch(torch.arange(len(splits.train)))
    return {int(value) for value in inputs[:, 0, 0, 0].tolist()}


_SIZE = st.integers(1, 80)


@settings(max_examples=60)
@given(
    count=st.integers(8, 60),
    holdout=st.booleans(),
    calibration=_SIZE,
    validation=_SIZE,
    selection=_SIZE,
    seed=st.integers(0, 2**32 - 1),
)
def test_sizes_are_kept_and_no_image_both_fits_and_judges(
    count: int, holdout: bool, calibration: int, validation: int, selection: int, seed: int
) -> None:
    splits = draw_splits(_task(count, holdout), _sizes(calibration, validation, selection), seed)
    assert (len(splits.calibration), len(splits.validation), len(splits.selection)) == (
        calibration,
        validation,
        selection,
    )
    judging = (_sources(splits.validation), _sources(splits.selection))
    fitting = _train_sources(splits)
    assert not judging[0] & judging[1]
    assert not fitting & (judging[0] | judging[1])
    assert _sources(splits.calibration) <= fitting
    assert len(splits.train) == len(fitting) >= count // 2
    for split in (splits.calibration, splits.validation, splits.selection):
        # Brightness moves an image by less than half the distance to its neighbour.
        assert torch.equal(split.inputs[:, 0, 0, 0].round().long(), split.sources)
        assert torch.equal(split.targets, split.sources % 3)


@pytest.mark.parametrize("holdout", [True, False])
def test_the_seed_draws_the_splits(holdout: bool) -> None:
    task, sizes = _task(100, holdout), _sizes(40, 20, 20)
    first, again, other = (draw_splits(task, sizes, seed) for seed in (1, 1, 2))
    for name in ("calibration", "validation", "selection"):
        one, two, three = (getattr(splits, name) for splits in (first, again, other))
        assert torch.equal(one.inputs, two.inputs)
        assert torch.equal(one.targets, two.targets)
        assert not torch.equal(one.sources, three.sources)


def test_held_out_images_are_the_same_for_every_seed_and_size() -> None:
    """A network trained in one run must not have seen what judges it in another."""
    task = _task(100, holdout=True)
    trained_on = [
        _train_sources(draw_splits(task, sizes, seed))
        for seed in range(3)
        for sizes in (_sizes(9, 5, 5), _sizes(9, 90, 9))
    ]
    assert all(sources == trained_on[0] for sources in trained_on)
    assert len(trained_on[0]) == 76


def _is_plain(split: Split) -> Tensor:
    return split.inputs[:, 0, 0, 0] == split.sources


def test_seen_images_judge_only_disturbed() -> None:
    splits = draw_splits(_task(100, holdout=False), _sizes(40, 20, 60), seed=0)
    assert not _is_plain(splits.validation).any()
    assert not _is_plain(splits.selection).any()


def test_unseen_images_judge_plain_first_then_disturbed_anew() -> None:
    validation = draw_splits(_task(100, holdout=True), _sizes(40, 30, 5), seed=0).validation
    assert _is_plain(validation).tolist() == [True] * 12 + [False] * 18
    second, third = validation.inputs[12:18], validation.inputs[24:30]
    assert torch.equal(validation.sources[12:18], validation.sources[24:30])
    assert not (second == third).all(dim=1).any()


def test_calibration_alternates_augmented_and_disturbed() -> None:
    task = _task(16, holdout=False)
    augmented = draw_splits(replace(task, augment=lambda x, _: x + 1000), _sizes(20, 4, 4), seed=0).calibration
    disturbed = draw_splits(replace(task, disturb=lambda x, _: x + 1000), _sizes(20, 4, 4), seed=0).calibration
    changed = [(split.inputs[:, 0, 0, 0] == split.sources + 1000).tolist() for split in (augmented, disturbed)]
    assert changed == [[True, False] * 10, [False, True] * 10]


@pytest.mark.parametrize("holdout", [True, False])
def test_too_few_images_are_refused(holdout: bool) -> None:
    with pytest.raises(BadInput, match="at least 8 training images to split, has 7"):
        draw_splits(_task(7, holdout), _sizes(1, 1, 1), seed=0)


def test_classes_out_of_range_and_other_shapes_are_refused() -> None:
    task = _task(20, holdout=False)
    with pytest.raises(BadInput, match="classes run from 0 to 1, got 0 to 2"):
        draw_splits(replace(task, num_classes=2), _sizes(10, 5, 5), seed=0)
    with pytest.raises(BadInput, match=r"images are \(3, 2, 2\)"):
        draw_splits(replace(task, input_shape=(3, 2, 2)), _sizes(10, 5, 5), seed=0)


def test_an_empty_split_is_refused() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    with pytest.raises(BadInput, match="at least one image"):
        Split(torch.zeros(0, 1, 2, 2), nothing, nothing)


def test_a_split_is_an_image_set() -> None:
    splits = draw_splits(digits(), TaskSpec(name="digits"), seed=0)
    inputs, targets = splits.validation.batch(torch.tensor([5, 2]))
    assert torch.equal(inputs, splits.validation.inputs[[5, 2]])
    assert torch.equal(targets, splits.validation.targets[[5, 2]])
    assert len(splits.train) == 899
    assert len(splits.validation) == 1024
    assert len(_sources(splits.validation)) == len(_sources(splits.selection)) == 149


def test_a_network_makes_mistakes_on_disturbed_images_that_it_has_seen(shared: Path) -> None:
    """Otherwise a search would learn nothing from them."""
    network = load_model(ModelSpec(name="resnet20", weights=shared / "models" / "cifar10_resnet20.safetensors"))
    task = cifar10(shared / "data" / "cifar10_subset.npz")
    splits = draw_splits(task, _sizes(1, 512, 512), seed=0)
    plain = scores(network, Subset(task.train, splits.validation.sources), task).numpy()
    assert plain.mean() > 0.99
    for split in (splits.validation, splits.selection):
        assert 0.88 < np.mean(scores(network, split, task).numpy()) < 0.97
