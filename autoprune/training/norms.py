"""Batch norms of a group: the statistics are those of the whole batch, not of each process's share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from autoprune.training.group import Group


class SynchronisedNorms(TorchFunctionMode):
    """Batch norms in training mode share their statistics inside, whatever module asks for them.

    `torch.nn.SyncBatchNorm` does the same on GPUs, but on no CPU.
    """

    def __init__(self, group: Group) -> None:
        super().__init__()
        self._group = group

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `func`, but for batch norms."""
        return (self._batch_norm if func is F.batch_norm else func)(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        inputs: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """`F.batch_norm` of (N, C, ...), N being all the group's (Ioffe & Szegedy, ICML 2015, algorithm 1)."""
        if not training:
            return F.batch_norm(inputs, running_mean, running_var, weight, bias, False, momentum, eps)
        x = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        axes, shape = [i for i in range(x.ndim) if i != 1], [1, -1, *[1] * (x.ndim - 2)]
        own = x.numel() // x.shape[1]
        sums = _total(torch.cat([x.sum(axes), x.new_tensor([own])]), self._group)
        mean, count = sums[:-1] / sums[-1], sums[-1]
        centred = x - mean.view(shape)
        var = _total(centred.square().sum(axes), self._group) / count
        _follow(running_mean, mean, momentum)
        _follow(running_var, var * count / (count - 1), momentum)
        scale = (var + eps).rsqrt() if weight is None else weight * (var + eps).rsqrt()
        scaled = centred * scale.view(shape)
        return (scaled if bias is None else scaled + bias.view(shape)).to(inputs.dtype)


def _follow(running: Tensor | None, new: Tensor, momentum: float) -> None:
    if running is not None:
        running.lerp_(new.detach().to(running.dtype), momentum)


def _total(own: Tensor, group: Group) -> Tensor:
    total: Tensor = _Total.apply(own, group)  # type: ignore[no-untyped-call]
    return total


class _Total(torch.autograd.Function):
    """`Group.total`, through which gradients flow: what each has is in everybody's sum."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return group.total(own)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.group.total(gradient), None
