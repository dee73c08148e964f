"""Parity: the exported file answers as the module does."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from autoprune.device import Device
from autoprune.errors import AutopruneError, BadInput
from autoprune.profiler.runtime.session import Session

TOLERANCE = 1e-4  # maximum absolute difference of any output


def parity(module: nn.Module, onnx: Path, images: Tensor) -> float:
    """Maximum absolute difference between the outputs of `module` in eval mode and of the file `onnx`.

    `images` are [N, ...], N at least 1. The file's batch is fixed: images go through it in batches
    of that size, the last one filled up with the first images. Infinite where either output is not
    a number. `module` is not changed.
    """
    if not len(images):
        raise BadInput("parity needs at least one image, got none")
    session = Session(onnx, Device())
    [name] = session.input_names
    batch = len(session.inputs[name])
    index = torch.arange(-(-len(images) // batch) * batch) % len(images)
    frozen = copy.deepcopy(module).cpu().eval()
    largest = 0.0
    with torch.no_grad():
        for chunk in torch.split(images.cpu()[index], batch):
            expected = frozen(chunk).numpy()
            [got] = session.run({name: chunk.numpy()})
            difference = float(np.abs(expected - got).max())
            largest = max(largest, difference if np.isfinite(difference) else np.inf)
    return largest


def require_parity(module: nn.Module, onnx: Path, images: Tensor) -> float:
    """`parity`, or an `AutopruneError` where it is over 1e-4."""
    difference = parity(module, onnx, images)
    if difference > TOLERANCE:
        raise AutopruneError(
            f"{onnx}: ONNX Runtime's outputs differ from the module's by {difference:.3g}, more than {TOLERANCE:g}; "
            "the file must not be deployed. Please report the network."
        )
    return difference
