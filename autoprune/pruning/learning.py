"""Learning to answer as another part does: gradient steps, kept only where they help on inputs that were held out."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_HELD_OUT = 8  # one input of so many judges whether a part has become better
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Steps:
    """So many steps of Adam, each on `batch` inputs, from `learning_rate` down to 0 on a cosine."""

    count: int
    learning_rate: float
    batch: int


def least(images: int) -> int:
    """`images`, or as many as are needed for one to be held out."""
    return max(_HELD_OUT, images)


def learn(part: nn.Module, weights: Sequence[Tensor], x: Tensor, y: Tensor, steps: Steps, rng: torch.Generator) -> None:
    """Train the `weights` in `part`, in place, to bring part(x) closer to y [N, ...] in squares.

    The weights that it had come back where the new ones are no better on the inputs that were held out.
    """
    learning = torch.arange(len(x)) % _HELD_OUT != 0
    before, held_out = copy.deepcopy(part.state_dict()), (x[~learning], y[~learning])
    error = _error(part, *held_out)
    _descend(part, weights, x[learning], y[learning], steps, rng)
    if not _error(part, *held_out) < error:
        part.load_state_dict(before)


def _error(part: nn.Module, x: Tensor, y: Tensor) -> float:
    pairs = zip(torch.split(x, _CHUNK), torch.split(y, _CHUNK), strict=True)
    return sum(float(F.mse_loss(part.forward(a), b, reduction="sum")) for a, b in pairs)


def _descend(
    part: nn.Module, weights: Sequence[Tensor], x: Tensor, y: Tensor, steps: Steps, rng: torch.Generator
) -> None:
    with torch.enable_grad(), gradients_to(weights, part):
        adam = torch.optim.Adam(weights, lr=steps.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps.count)
        for chosen in islice(_batches(len(x), steps.batch, rng), steps.count):
            # `forward` and not a call, which would come back to a hook that trains
            loss = F.mse_loss(part.forward(x[chosen]), y[chosen])
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            schedule.step()


@contextmanager
def gradients_to(weights: Sequence[Tensor], part: nn.Module) -> Iterator[None]:
    """Inside, gradients go to these `weights` of `part` and to no other parameter."""
    required = {parameter: parameter.requires_grad for parameter in part.parameters()}
    for parameter in required:
        parameter.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for parameter, before in required.items():
            parameter.requires_grad_(before)
            parameter.grad = None


def _batches(count: int, size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Batches of indices below `count`, every index once before any comes again."""
    while True:
        yield from torch.split(torch.randperm(count, generator=rng), size)
