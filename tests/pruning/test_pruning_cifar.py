"""On a real network and real images: a refit is worth far more than the choice of channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autoprune.models.resnet_cifar import resnet20
from autoprune.models.weights import load_weights
from autoprune.pruning import Pruner
from autoprune.tracing import trace

CALIBRATION, JUDGED = 256, 512  # training images, none in both


@pytest.fixture(scope="module")
def cifar(shared: Path) -> tuple[nn.Module, Tensor, Tensor]:
    """ResNet-20 with its weights, and training images with their classes."""
    model = resnet20().eval()
    load_weights(model, shared / "models" / "cifar10_resnet20.safetensors")
    with np.load(shared / "data" / "cifar10_subset.npz") as data:
        pixels, classes = data["train_x"][: CALIBRATION + JUDGED], data["train_y"][: CALIBRATION + JUDGED]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return model, (torch.from_numpy(pixels) / 255 - mean) / std, torch.from_numpy(classes.astype(np.int64))


def accuracy(model: nn.Module, x: Tensor, classes: Tensor) -> float:
    with torch.no_grad():
        return float((model(x).argmax(1) == classes).double().mean())


def test_half_of_every_inner_width_is_repaired(cifar: tuple[nn.Module, Tensor, Tensor]) -> None:
    model, x, classes = cifar
    net = trace(model, x[:1])
    pruner = Pruner(model, net, x[:CALIBRATION])
    inner = [g.name.endswith(".conv1") for g in net.space.groups]
    half = net.space.policy([0.5 if inside else 1.0 for inside in inner])
    largest = [
        model.get_parameter(f"{g.name}.weight").detach().abs().sum((1, 2, 3)).argsort()[g.width // 2 :].numpy()
        if inside
        else np.arange(g.width)
        for g, inside in zip(net.space.groups, inner, strict=True)
    ]
    judged = (x[CALIBRATION:], classes[CALIBRATION:])
    dense = accuracy(model, *judged)
    plain, refitted, sequential = (
        accuracy(pruned, *judged) for pruned in (net.slice(model, largest), pruner.slice(half), pruner.apply(half))
    )
    assert dense > 0.99
    assert refitted > plain + 0.4
    assert sequential > refitted


def test_a_preview_foretells_how_far_the_refitted_network_is_off(cifar: tuple[nn.Module, Tensor, Tensor]) -> None:
    """Where residual streams are cut, a slice does not: its errors add up along them."""
    model, x, _ = cifar
    pruner = Pruner(model, trace(model, x[:1]), x[:CALIBRATION])
    rng = np.random.default_rng(0)
    groups = len(pruner.traced.space)

    def error(pruned: nn.Module) -> float:
        with torch.no_grad():
            return float((pruned(x[CALIBRATION:]) - model(x[CALIBRATION:])).square().mean())

    for least in (0.3, 0.5):
        policy = pruner.traced.space.policy(rng.uniform(least, 1, groups).tolist())
        refitted = error(pruner.apply(policy))
        assert error(pruner.preview(policy)) == pytest.approx(refitted, rel=0.1)
        assert error(pruner.slice(policy)) > 1.2 * refitted
