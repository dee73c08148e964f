"""The one way to prune: take slices of real tensors and return a new, smaller module."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autoprune.tracing.groups import IntArray, PaddedAxis, SliceAxis
from autoprune.tracing.padding import replace_padding

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def unit_masks(sizes: Sequence[int], kept: Sequence[IntArray]) -> list[NDArray[np.bool_]]:
    """Kept unit indices of each group as masks; `sizes` are the groups' numbers of units."""
    masks = []
    for size, indices in zip(sizes, kept, strict=True):
        mask = np.zeros(size, dtype=bool)
        mask[np.asarray(indices, dtype=np.int64)] = True
        masks.append(mask)
    return masks


def slice_module(
    model: nn.Module, axes: Sequence[SliceAxis], pads: Sequence[PaddedAxis], masks: list[NDArray[np.bool_]]
) -> nn.Module:
    """A new module that holds only the kept units of each group; `model` is unchanged.

    `masks[g]` is bool [units of group g]. Layers learn their new sizes (channels, features, groups),
    and the model's code pads only the channels that are left.
    """
    by_parameter: dict[str, list[SliceAxis]] = defaultdict(list)
    for axis in axes:
        by_parameter[axis.parameter].append(axis)
    tensors = dict([*model.named_parameters(), *model.named_buffers()])
    memo: dict[int, Tensor] = {}
    for name, own in by_parameter.items():
        sliced = tensors[name].detach()
        for axis in own:
            index = torch.from_numpy(axis.kept(masks)).to(sliced.device)
            sliced = sliced.index_select(axis.axis, index)
        is_parameter = isinstance(tensors[name], nn.Parameter)
        # A deep copy asks its memo first: what is found there is taken instead of copied.
        memo[id(tensors[name])] = (
            nn.Parameter(sliced, requires_grad=tensors[name].requires_grad) if is_parameter else sliced
        )
    small = copy.deepcopy(model, memo)
    for module in small.modules():
        _learn_sizes(module)
    for pad in pads:
        replace_padding(small, pad.call, pad.kept(masks))
    return small


def _learn_sizes(module: nn.Module) -> None:
    """Set the size attributes of a layer from its tensors."""
    if isinstance(module, CONVOLUTIONS):
        _learn_convolution(module)
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, _NORMS):
        held = module.weight if module.weight is not None else module.running_mean
        if held is not None:
            module.num_features = len(held)
    elif isinstance(module, nn.GroupNorm) and module.weight is not None:
        per_group = module.num_channels // module.num_groups
        module.num_channels = len(module.weight)
        module.num_groups = module.num_channels // per_group
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif isinstance(module, nn.Embedding):
        module.num_embeddings, module.embedding_dim = module.weight.shape


def _learn_convolution(module: nn.Module) -> None:
    assert isinstance(module, CONVOLUTIONS)
    rows, columns = module.weight.shape[:2]
    if module.transposed:
        module.in_channels, module.out_channels = rows, columns * module.groups
    elif module.groups == module.in_channels > 1:  # depthwise in the dense network: there are fewer groups now
        per_channel = module.out_channels // module.in_channels
        module.groups = module.in_channels = rows // per_channel
        module.out_channels = rows
    else:
        module.in_channels, module.out_channels = columns * module.groups, rows


def zero_consumers(model: nn.Module, axes: Sequence[SliceAxis], masks: list[NDArray[np.bool_]]) -> nn.Module:
    """A copy of the dense `model` in which every consumer multiplies the removed channels by zero."""
    dense = copy.deepcopy(model)
    tensors = dict([*dense.named_parameters(), *dense.named_buffers()])
    with torch.no_grad():
        for axis in axes:
            if axis.contracted:
                removed = np.setdiff1d(np.arange(len(axis.group)), axis.kept(masks))
                tensors[axis.parameter].index_fill_(axis.axis, torch.from_numpy(removed), 0.0)
    return dense
