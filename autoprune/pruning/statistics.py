"""Calibration statistics: second moments of every layer's inputs, gathered in one pass and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from autoprune.pruning.features import enough_rows, input_rows, pick_positions, positions

DAMPING = 1e-3
# These statistics are gathered once and every trial is refitted from them, so they may take their time.
_ROWS = 65536


@dataclass(frozen=True, slots=True)
class Moments:
    """Of a layer's input rows x [n, F]: `mean` [F] and `covariance` [F, F] (float64), from `n` rows."""

    mean: Tensor
    covariance: Tensor
    n: int

    def damped(self) -> Tensor:
        """The covariance plus a small ridge, positive definite whatever the data."""
        ridge = DAMPING * self.covariance.diagonal().mean() + 1e-10
        return self.covariance + ridge * torch.eye(len(self.mean), dtype=torch.float64)


class _Sum:
    """Running sums of one layer."""

    def __init__(self) -> None:
        self.n, self.total, self.square = 0, torch.zeros(()), torch.zeros(())

    def add(self, rows: Tensor) -> None:
        self.n += len(rows)
        self.total = self.total + rows.sum(0, dtype=torch.float64)
        self.square = self.square + (rows.T @ rows).double()

    def moments(self) -> Moments:
        mean = self.total / self.n
        return Moments(mean, self.square / self.n - torch.outer(mean, mean), self.n)


def gather(
    model: nn.Module, layers: Sequence[str], inputs: Tensor, *, batch: int = 128, seed: int = 0
) -> Mapping[str, Moments]:
    """Moments of the inputs of `layers` of the (eval mode) model over `inputs` [N, ...]."""
    modules = dict(model.named_modules())
    sums = {name: _Sum() for name in layers}

    def hook(name: str) -> Callable[..., None]:
        def watch(module: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:
            weight = module.weight
            assert isinstance(weight, Tensor)
            pick = None
            if isinstance(module, nn.Conv2d):
                rows = enough_rows(weight[0].numel(), _ROWS)
                pick = pick_positions(len(inputs), positions(module, out), rows, seed)
            sums[name].add(input_rows(module, args[0], pick))

        return watch

    handles = [modules[name].register_forward_hook(hook(name)) for name in layers]
    try:
        with torch.no_grad():
            for chunk in torch.split(inputs, batch):
                model(chunk)
    finally:
        for handle in handles:
            handle.remove()
    return {name: s.moments() for name, s in sums.items() if s.n}
