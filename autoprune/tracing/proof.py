"""The proof: each group is sliced once, run, and compared with the dense network whose same channels count zero."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from autoprune.space import ChannelGroup
from autoprune.tracing.groups import SliceAxis
from autoprune.tracing.slicing import slice_module, zero_consumers

TOLERANCE = 1e-4  # maximum absolute difference, with outputs scaled to at most 1


def disproved(
    model: nn.Module, example: Tensor, groups: Sequence[ChannelGroup], axes: Sequence[SliceAxis]
) -> dict[str, str]:
    """Names of the groups that fail the proof, each with the reason.

    All groups are sliced at once first; only if that fails is each tried alone, so that a network
    whose groups hold costs two passes. The proof runs on a copy with well-spread random weights:
    at real weights a wrong slice can hide behind a layer that is still zero.
    """
    subject = _randomised(model)
    every = list(range(len(groups)))
    failed: dict[str, str] = {}
    if _failure(subject, example, groups, axes, every) is None:
        return failed
    for g in every:
        reason = _failure(subject, example, groups, axes, [g])
        if reason:
            failed[groups[g].name] = reason
    rest = [g for g in every if groups[g].name not in failed]
    together = _failure(subject, example, groups, axes, rest) if rest else None
    if together:  # each holds alone, not all together: keep the longest run that does
        failed.update(_jointly(subject, example, groups, axes, rest))
    return failed


def _jointly(
    model: nn.Module, example: Tensor, groups: Sequence[ChannelGroup], axes: Sequence[SliceAxis], rest: list[int]
) -> dict[str, str]:
    """Add one group at a time to a set that holds; whatever breaks it is refused."""
    held: list[int] = []
    failed: dict[str, str] = {}
    for g in rest:
        reason = _failure(model, example, groups, axes, [*held, g])
        if reason is None:
            held.append(g)
        else:
            failed[groups[g].name] = f"together with other groups, {reason}"
    return failed


def _failure(
    model: nn.Module, example: Tensor, groups: Sequence[ChannelGroup], axes: Sequence[SliceAxis], cut: Sequence[int]
) -> str | None:
    """Why the network with the groups `cut` halved is not the dense one with the same channels zeroed."""
    masks = _halved(groups, set(cut))
    with torch.no_grad():
        expected = _outputs(zero_consumers(model, axes, masks), example)
        try:
            sliced = _outputs(slice_module(model, axes, masks), example)
        except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
            return f"the sliced network does not run ({str(error).splitlines()[0]})"
    difference = max((_difference(a, b) for a, b in zip(expected, sliced, strict=True)), default=0.0)
    if not difference <= TOLERANCE:
        return f"the sliced network's output is off by {difference:.2g}"
    return None


def _halved(groups: Sequence[ChannelGroup], cut: set[int]) -> list[NDArray[np.bool_]]:
    """Masks that keep a random half of the units of the groups in `cut`, and all of the others'."""
    rng = np.random.default_rng(0)
    masks = []
    for g, group in enumerate(groups):
        units = group.width // group.unit
        mask = np.ones(units, dtype=bool)
        if g in cut:
            mask[rng.permutation(units)[: units - max(1, units // 2)]] = False
        masks.append(mask)
    return masks


def _difference(expected: Tensor, got: Tensor) -> float:
    if expected.shape != got.shape:
        return float("inf")
    scale = max(1.0, float(expected.abs().max()))
    return float((expected - got).abs().max()) / scale


def _outputs(model: nn.Module, example: Tensor) -> list[Tensor]:
    return [t for t in tree_leaves(model(example)) if isinstance(t, Tensor)]


def _randomised(model: nn.Module) -> nn.Module:
    """A copy in eval mode whose every layer passes signals of about unit size."""
    subject = copy.deepcopy(model).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*subject.named_parameters(), *subject.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            if tensor.ndim >= 2:
                fan_in = tensor[0].numel() if tensor.shape[0] else 1
                tensor.normal_(0.0, fan_in**-0.5, generator=generator)
            elif name.endswith("running_var") or "weight" in name.rpartition(".")[2]:
                tensor.uniform_(0.5, 1.5, generator=generator)
            else:
                tensor.normal_(0.0, 0.1, generator=generator)
    return subject
