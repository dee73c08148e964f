from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from autoprune.evaluation.cifar10 import cifar10
from autoprune.evaluation.evaluator import scores
from autoprune.models import load_model
from autoprune.models.resnet_cifar import BasicBlock
from autoprune.spec import ModelSpec


@pytest.mark.parametrize(
    ("name", "layers", "parameters"),
    [("resnet20", 20, 0.27e6), ("resnet32", 32, 0.46e6), ("resnet44", 44, 0.66e6), ("resnet56", 56, 0.85e6)],
)
def test_depth_and_size_are_those_of_the_paper(name: str, layers: int, parameters: float) -> None:
    """Table 6 of He et al. (2016)."""
    network = load_model(ModelSpec(name=name))
    weighted = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(weighted) == layers
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(parameters, rel=0.02)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_the_shortcut_takes_every_second_pixel_and_pads_channels_with_zeros() -> None:
    block = BasicBlock(4, 8, stride=2).eval()
    torch.nn.init.zeros_(block.conv2.weight)  # leaves the shortcut alone in the sum
    x = torch.rand(1, 4, 6, 6)
    y = block(x)
    assert y.shape == (1, 8, 3, 3)
    torch.testing.assert_close(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


def test_an_odd_number_of_new_channels_is_padded_whole() -> None:
    block = BasicBlock(4, 7, stride=1)
    assert block(torch.rand(1, 4, 5, 5)).shape == (1, 7, 5, 5)


def test_the_published_weights_reach_their_accuracy_on_real_images(shared: Path) -> None:
    """91.64% of 1,017 test images are 932."""
    network = load_model(ModelSpec(name="resnet20", weights=shared / "models" / "cifar10_resnet20.safetensors"))
    task = cifar10(shared / "data" / "cifar10_subset.npz")
    right = scores(network, task.test, task).numpy()
    assert right.size == 1017
    assert np.count_nonzero(right) == 932
