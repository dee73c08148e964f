"""The module as an ONNX file."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from autoprune.copies.networks import export_model
from autoprune.files import write_atomic


def export_onnx(module: nn.Module, example: Tensor, path: Path) -> None:
    """Write `module` in eval mode as ONNX, with the fixed input shape of `example` (batch included), in one step.

    Raises `BadInput` where the exporter cannot follow the module.
    """
    write_atomic(path, export_model(module, example).SerializeToString())
