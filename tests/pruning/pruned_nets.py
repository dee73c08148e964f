"""Small networks to prune, each with seeded weights and images whose neighbouring pixels are alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.pruning import Pruner
from autoprune.tracing import trace


def images(count: int = 256, seed: int = 0) -> Tensor:
    """Smooth random images [count, 3, 8, 8] of unit deviation."""
    rough = torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    smooth = F.interpolate(rough, size=8, mode="bilinear")
    return smooth / smooth.std()


class Pool(nn.Module):
    """The mean over space of what is positive."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).mean((2, 3))


class Block(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Twice(nn.Module):
    """One convolution that runs twice, with a norm of its own each time."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shared = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.bn1, self.bn2, self.fc = nn.BatchNorm2d(8), nn.BatchNorm2d(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.shared(F.relu(self.stem(x)))))
        return self.fc(F.relu(self.bn2(self.shared(x))).mean((2, 3)))  # type: ignore[no-any-return]


class Tokens(nn.Module):
    """Linear layers over patches, with the hidden layer of a transformer block."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.up, self.down, self.fc = (
            nn.Conv2d(3, 8, 2, 2),
            nn.Linear(8, 24),
            nn.Linear(24, 8),
            nn.Linear(8, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        return self.fc((x + self.down(F.gelu(self.up(x)))).mean(1))  # type: ignore[no-any-return]


def normed() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Conv2d(12, 10, 1),
        Pool(),
        nn.Linear(10, 5),
    )


def bare() -> nn.Module:
    """Neither norms nor biases: offsets have to be given a place."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, bias=False),
        Pool(),
        nn.Linear(12, 5, bias=False),
    )


def residual() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), Block(8, 10), Block(8, 10), Pool(), nn.Linear(8, 5))


def grouped() -> nn.Module:
    """The stem is read by a grouped convolution alone, which has no matrix to refit."""
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 8, 3, groups=4), nn.ReLU(), nn.Conv2d(8, 6, 1), Pool()
    )


def depthwise() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 6, 1),
        Pool(),
        nn.Linear(6, 4),
    )


NETS: dict[str, Callable[[], nn.Module]] = {
    "normed": normed,
    "bare": bare,
    "residual": residual,
    "grouped": grouped,
    "depthwise": depthwise,
    "shared": Twice,
    "tokens": Tokens,
}


def network(name: str, seed: int = 0) -> nn.Module:
    """A seeded network whose norms hold the statistics of the images."""
    torch.manual_seed(seed)
    model = NETS[name]()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a plain average over what is seen
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    with torch.no_grad():
        model.train()(images())
    return model.eval()


@cache
def pruner(name: str, seed: int = 0) -> Pruner:
    """The pruner of a network, made once."""
    model = network(name, seed)
    return Pruner(model, trace(model, images(1)), images())
