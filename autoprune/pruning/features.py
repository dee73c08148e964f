"""A layer as a matrix product: its inputs as rows of features, its weight as a matrix."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Wider inputs would need second moments of more than a gigabyte.
MAX_FEATURES = 8192


def is_linear_map(module: nn.Module) -> bool:
    """Whether the layer is y = x W + b with a W that can be refitted: Linear, or an ungrouped Conv2d."""
    if isinstance(module, nn.Linear):
        return module.in_features <= MAX_FEATURES
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == 1
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and module.weight[0].numel() <= MAX_FEATURES
    )


def taps(module: nn.Module) -> int:
    """Features per input channel: kernel height x width, 1 for a linear layer."""
    return int(module.weight[0, 0].numel()) if isinstance(module, nn.Conv2d) else 1


def input_rows(module: nn.Module, x: Tensor, pick: Tensor | None = None) -> Tensor:
    """The layer's inputs as rows [n, features]; `pick` selects output positions, the same ones in each image."""
    if isinstance(module, nn.Linear):
        return x.reshape(-1, x.shape[-1])
    assert isinstance(module, nn.Conv2d)
    if pick is None:
        patches = F.unfold(x, module.kernel_size, module.dilation, module.padding, module.stride)  # type: ignore[arg-type]
        return patches.transpose(1, 2).reshape(-1, patches.shape[1])
    return _patches(module, x, pick)


def _patches(module: nn.Conv2d, x: Tensor, pick: Tensor) -> Tensor:
    """What `unfold` gives at the output positions `pick`, without the rest: rows [images x |pick|, features]."""
    # Channels last, so that each of a patch's positions is one piece of memory: a third of the time, and less.
    pad_y, pad_x = (int(p) for p in module.padding)
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, pad_x, pad_x, pad_y, pad_y))
    (kernel_y, kernel_x), columns = module.kernel_size, padded.shape[2]
    width = (columns - module.dilation[1] * (kernel_x - 1) - 1) // module.stride[1] + 1
    top, left = pick // width * module.stride[0], pick % width * module.stride[1]
    down, right = torch.arange(kernel_y) * module.dilation[0], torch.arange(kernel_x) * module.dilation[1]
    positions = (top[:, None, None] + down[:, None]) * columns + left[:, None, None] + right  # [picked, y, x]
    taken = padded.flatten(1, 2).index_select(1, positions.flatten())
    rows = taken.view(len(x) * len(pick), kernel_y * kernel_x, -1)
    return rows.transpose(1, 2).flatten(1)


def output_rows(module: nn.Module, y: Tensor, pick: Tensor | None = None) -> Tensor:
    """The layer's outputs as rows [n, out], in the order of `input_rows`."""
    if isinstance(module, nn.Linear):
        return y.reshape(-1, y.shape[-1])
    positions = y.flatten(2)
    if pick is not None:
        positions = positions[:, :, pick]
    return positions.transpose(1, 2).reshape(-1, positions.shape[1])


def positions(module: nn.Module, y: Tensor) -> int:
    """Output positions per image of a convolution; 1 for a linear layer."""
    return int(y.shape[2] * y.shape[3]) if isinstance(module, nn.Conv2d) else 1


def weight_matrix(module: nn.Module) -> Tensor:
    """The weight as a matrix [features, out], float64."""
    assert isinstance(module, nn.Linear | nn.Conv2d)
    return module.weight.detach().flatten(1).T.double()


def pick_positions(n_images: int, n_positions: int, rows: int, seed: int) -> Tensor | None:
    """A seeded choice of output positions, the same for every image, that gives about `rows` rows; None for all."""
    wanted = -(-rows // n_images)
    if wanted >= n_positions:
        return None
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n_positions, generator=generator)[:wanted].sort().values


def enough_rows(features: int, wanted: int) -> int:
    """How many rows to fit a layer on: `wanted`, or what 1.5e11 multiply-adds buy, but at least 8 a feature."""
    return max(8 * features, min(wanted, int(1.5e11) // features**2))
