"""Blocks: parts of a network, a few layers each, that can be compared with the dense network's one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from autoprune.pruning.hooks import removing

# A residual block has two to five layers. Parts of more are not compared as one: the longer a part, the more of what
# it does depends on which images it was shown.
_MOST_LAYERS = 5


@dataclass(frozen=True, slots=True)
class Block:
    """A module that maps one tensor to one, once a pass: its name, and its layers with weights in order.

    `read` and `made` are the shapes of the two tensors for one image, without the batch.
    """

    name: str
    layers: tuple[str, ...]
    read: tuple[int, ...]
    made: tuple[int, ...]

    @property
    def floats(self) -> int:
        """Elements of the larger tensor for one image."""
        return max(math.prod(self.read), math.prod(self.made))


def find_blocks(model: nn.Module, layers: Sequence[str], example: Tensor) -> tuple[Block, ...]:
    """The largest modules with two to five of `layers`, in the order in which they run on `example` [1, ...].

    Modules that run twice, or take or give anything but one tensor, are left out, and so is the
    network itself.
    """
    found: list[str] = []
    for name, _ in model.named_modules():  # parents come before their children
        inside = [layer for layer in layers if layer.startswith(f"{name}.")]
        if name and 2 <= len(inside) <= _MOST_LAYERS and not any(name.startswith(f"{other}.") for other in found):
            found.append(name)
    runs: dict[str, list[Block | None]] = {}
    modules = dict(model.named_modules())

    def watch(name: str) -> Callable[..., None]:
        own = tuple(layer for layer in layers if layer.startswith(f"{name}."))

        def hook(_: nn.Module, args: tuple[Any, ...], out: Any) -> None:
            single = len(args) == 1 and isinstance(args[0], Tensor) and isinstance(out, Tensor)
            block = Block(name, own, tuple(args[0].shape[1:]), tuple(out.shape[1:])) if single else None
            runs.setdefault(name, []).append(block)

        return hook

    with torch.no_grad(), removing([modules[name].register_forward_hook(watch(name)) for name in found]):
        model(example)
    return tuple(passes[0] for passes in runs.values() if len(passes) == 1 and passes[0] is not None)
