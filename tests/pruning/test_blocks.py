"""Blocks of real architectures: what is compared with the dense network's as one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pruned_nets import Block, images
from torch import Tensor, nn

from autoprune.models.resnet_cifar import resnet20
from autoprune.pruning.blocks import find_blocks
from autoprune.tracing import trace


def names(model: nn.Module, x: Tensor) -> list[str]:
    return [block.name for block in find_blocks(model.eval(), trace(model, x).order, x)]


def test_residual_blocks_are_found_in_the_order_in_which_they_run() -> None:
    x = torch.randn(1, 3, 32, 32)
    assert names(resnet20(), x) == [f"layer{stage}.{number}" for stage in (1, 2, 3) for number in range(3)]


def test_a_block_knows_its_layers_and_its_shapes_for_one_image() -> None:
    x = torch.randn(2, 3, 32, 32)
    block = find_blocks(resnet20().eval(), trace(resnet20(), x).order, x)[3]
    assert (block.name, block.layers) == ("layer2.0", ("layer2.0.conv1", "layer2.0.conv2"))
    assert (block.read, block.made, block.floats) == ((16, 32, 32), (32, 16, 16), 16 * 32 * 32)


class Pair(nn.Module):
    """Gives two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.a(x), self.b(x)


class Odd(nn.Module):
    """A block that runs twice, one that gives two tensors, and an ordinary one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.again, self.pair, self.plain = nn.Conv2d(3, 8, 1), Block(8, 8), Pair(), Block(8, 8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.again(self.again(F.relu(self.stem(x))))
        first, second = self.pair(x)
        logits: Tensor = self.fc(self.plain(first + second).mean((2, 3)))
        return logits


def test_what_cannot_be_compared_is_left_out() -> None:
    assert names(Odd(), images(1)) == ["plain"]
