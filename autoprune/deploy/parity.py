"""Parity: the exported file answers as the module does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from autoprune.errors import AutopruneError
from autoprune.profiler.session import Session
from autoprune.spec import DeviceSpec

TOLERANCE = 1e-4  # maximum absolute difference of any output


def parity(module: nn.Module, onnx: Path, images: Tensor) -> float:
    """Maximum absolute difference between the outputs of `module` and of the file `onnx` on `images` [N, ...].

    The file's batch is fixed: images go through it in batches of that size, the last one filled up
    with the first images.
    """
    session = Session(onnx, DeviceSpec())
    [name] = session.input_names
    batch = len(session.inputs[name])
    index = torch.arange(-(-len(images) // batch) * batch) % len(images)
    largest = 0.0
    with torch.no_grad():
        for chunk in torch.split(images[index], batch):
            expected = module.eval()(chunk).numpy()
            [got] = session.run({name: chunk.numpy()})
            largest = max(largest, float(np.abs(expected - got).max()))
    return largest


def require_parity(module: nn.Module, onnx: Path, images: Tensor) -> float:
    """`parity`, or an `AutopruneError` where it is over 1e-4."""
    difference = parity(module, onnx, images)
    if not difference <= TOLERANCE:
        raise AutopruneError(
            f"{onnx}: ONNX Runtime's outputs differ from the module's by {difference:.3g}, more than {TOLERANCE:g}; "
            "the file must not be deployed. Please report the network."
        )
    return difference
