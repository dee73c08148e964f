"""Least-squares refit: a layer that has lost inputs takes over, as far as it can, what they carried."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autoprune.pruning.statistics import Moments

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def refit(moments: Moments, weight: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [|kept|, O] over the kept features and a bias correction [O] that best match x W of the dense layer.

    Minimises E|x W - x_K V - b|^2 (He et al., ICCV 2017, eq. 3): V = C_KK^-1 C_K: W with the inputs'
    covariance C, b = mean W - mean_K V. `weight` is [F, O], `kept` int [|kept|]; all float64.
    """
    damped = moments.damped()
    factor = torch.linalg.cholesky(damped[kept][:, kept])
    fitted = torch.cholesky_solve(damped[kept] @ weight, factor)
    return fitted, moments.mean @ weight - moments.mean[kept] @ fitted


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
