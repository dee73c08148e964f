"""Least-squares refit: a layer that has lost inputs takes over, as far as it can, what they carried."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autoprune.pruning.statistics import Moments

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """The normal equations of one layer: the least-squares weights over any choice of its inputs.

    Minimises E|x W - x_K V - b|^2, as He et al. (ICCV 2017) refit: V = C_KK^-1 C_K: W with the inputs'
    covariance C, b = mean W - mean_K V. `covariance` [F, F] (damped), `cross` = C W [F, O], `mean`
    [F] of the inputs and `answer` = mean W [O]; all float64.
    """

    covariance: Tensor
    cross: Tensor
    mean: Tensor
    answer: Tensor

    @classmethod
    def of(cls, moments: Moments, weight: Tensor) -> System:
        """Of a layer with the weight matrix W [F, O], given the second moments of its inputs."""
        damped = moments.damped()
        return cls(damped, damped @ weight, moments.mean, moments.mean @ weight)

    def refit(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [|kept|, O] over the kept features (int [|kept|]) and the correction of the bias [O]."""
        factor = torch.linalg.cholesky(self.covariance[kept][:, kept])
        fitted = torch.cholesky_solve(self.cross[kept], factor)
        return fitted, self.answer - self.mean[kept] @ fitted


def set_offset(module: nn.Module, norm: nn.Module | None, dense_mean: Tensor | None, offset: Tensor) -> None:
    """Make `module` answer x W + `offset` [O], whatever bias it had.

    Through its own bias where it has one, else through the batch norm `norm` that alone reads it
    (whose running mean was `dense_mean` [O] in the dense network), else by giving it a bias.
    """
    assert isinstance(module, nn.Linear | nn.Conv2d)
    if module.bias is not None:
        module.bias.data.copy_(offset)
    elif isinstance(norm, NORMS) and norm.running_mean is not None and dense_mean is not None:
        norm.running_mean.copy_(dense_mean - offset)
    else:
        module.bias = nn.Parameter(offset.to(module.weight.dtype))


def running_mean(model: nn.Module, norm: str) -> Tensor | None:
    """Running mean [C] of the batch norm called `norm`; None where it keeps none."""
    module = model.get_submodule(norm)
    return module.running_mean if isinstance(module, NORMS) else None
