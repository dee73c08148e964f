"""Small networks, usual and unusual, for tests of what they can begin at."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 6  # pixels


def pictures(count: int, seed: int = 0) -> Tensor:
    """Images (count, 3, SIDE, SIDE)."""
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def conv(made: int = 4, read: int = 4) -> nn.Conv2d:
    """A convolution that keeps the size."""
    return nn.Conv2d(read, made, 3, padding=1)


class Head(nn.Module):
    """Pools and classifies: (N, 4, H, W) to (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class Chain(nn.Module):
    """Layers one after the other, with functions between them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.head = conv(read=3), conv(), conv(), Head()

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x))
        x = F.relu(self.b(F.max_pool2d(x, 2)))
        logits: Tensor = self.head(F.relu(self.c(x)))
        return logits


class InPlace(nn.Module):
    """Convolutions whose answers are overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(read=3), nn.ReLU(inplace=True), conv(), nn.ReLU(inplace=True), Head())

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.body(x)
        return logits


class Skip(nn.Module):
    """What the first layer makes is read again by the last."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d, self.head = conv(read=3), conv(), conv(), conv(), Head()

    def forward(self, x: Tensor) -> Tensor:
        first = self.a(x)
        middle = self.c(F.relu(self.b(first)))
        logits: Tensor = self.head(self.d(middle + first))
        return logits


class Remembering(nn.Module):
    """What the first layer makes is read again later, from an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.head = conv(read=3), conv(), conv(), Head()

    def forward(self, x: Tensor) -> Tensor:
        self.first = self.a(x)
        middle = self.c(F.relu(self.b(self.first)))
        logits: Tensor = self.head(middle + self.first)
        return logits


class Listing(nn.Module):
    """What the first layer makes is read again later, from a list that is always the same."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.head = conv(read=3), conv(), conv(), Head()
        self.made: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.made.append(self.a(x))
        middle = self.c(F.relu(self.b(self.made[-1])))
        logits: Tensor = self.head(middle[: len(self.made[-1])] + self.made[-1][: len(middle)])
        return logits


class Foresight(nn.Module):
    """The first step reads a weight of a layer that runs last."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = conv(read=3), conv(), Head()

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x) * self.head.fc.weight.mean()
        logits: Tensor = self.head(self.b(x))
        return logits


class Again(nn.Module):
    """One layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.head = conv(read=3), conv(), conv(), Head()

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(F.relu(self.a(x)))
        logits: Tensor = self.head(self.c(F.relu(self.b(x))))
        return logits


class Deciding(nn.Module):
    """The network's own code looks at numbers between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.head = conv(read=3), conv(), conv(), Head()

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        x = self.b(x if float(x.mean()) > 0 else -x)
        logits: Tensor = self.head(self.c(x))
        return logits


class Shifted(nn.Module):
    """A parameter of the network's own, read before its second layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.head = conv(read=3), conv(), conv(), Head()
        self.shift = nn.Parameter(torch.randn(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.c(self.b(self.a(x) + self.shift)))
        return logits


class Pair(nn.Module):
    """A module that answers with two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.split, self.c, self.d, self.head = Splitting(), conv(), conv(), Head()

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.split(x)
        logits: Tensor = self.head(self.d(self.c(left) + right))
        return logits


class Splitting(nn.Module):
    """Maps one tensor to two."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(read=3), conv(read=3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.a(x), self.b(x)


# Each with the modules that are its cuts.
NETWORKS: dict[type[nn.Module], tuple[str, ...]] = {
    Chain: ("a", "b", "c"),
    InPlace: ("body.1", "body.3"),
    Skip: ("a", "d"),
    Remembering: (),
    Listing: ("a",),
    Foresight: ("a",),
    Again: ("a", "c"),
    Deciding: ("a",),
    Shifted: ("a",),
    Pair: ("d",),
}
