from __future__ import annotations

import torch

from autoprune.evaluation.digits import digits
from autoprune.evaluation.images import ImageSet


def _all(images: ImageSet) -> tuple[torch.Tensor, torch.Tensor]:
    return images.batch(torch.arange(len(images)))


def test_sizes_shape_and_classes() -> None:
    task = digits()
    assert (len(task.train), len(task.test)) == (1197, 600)
    inputs, targets = _all(task.train)
    assert tuple(inputs.shape[1:]) == task.input_shape == (1, 8, 8)
    assert sorted(set(targets.tolist())) == list(range(task.num_classes))


def test_training_images_are_normalised() -> None:
    inputs, _ = _all(digits().train)
    assert abs(float(inputs.mean())) < 1e-3
    assert abs(float(inputs.std()) - 1) < 1e-3


def test_the_test_images_are_always_the_same_and_no_training_images() -> None:
    first, second = digits(), digits()
    assert torch.equal(_all(first.test)[0], _all(second.test)[0])
    train = {tuple(image.flatten().tolist()) for image in _all(first.train)[0]}
    test = [tuple(image.flatten().tolist()) for image in _all(first.test)[0]]
    assert not train & set(test)


def test_its_network_is_trained_in_the_run_on_the_rest_of_the_held_out_images() -> None:
    task = digits()
    assert task.holdout
    assert task.recipe is not None
    assert task.recipe.epochs > 0
