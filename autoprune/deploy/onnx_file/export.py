"""The module as an ONNX file."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto
from torch import Tensor, nn

from autoprune.copies.networks import export_model
from autoprune.files import write_atomic


def export_onnx(module: nn.Module, example: Tensor, path: Path) -> None:
    """Write `module` in eval mode as ONNX, with the fixed input shape of `example` (batch included), in one step.

    Raises `BadInput` where the exporter cannot follow the module.
    """
    write_atomic(path, onnx_bytes(module, example))


def onnx_bytes(module: nn.Module, example: Tensor) -> bytes:
    """What `export_onnx` writes."""
    return bytes(_without_notes(export_model(module, example)).SerializeToString())


def _without_notes(model: ModelProto) -> ModelProto:
    """The model without the exporter's notes on where each operator came from.

    They are stack traces: no runtime reads them, they tell the paths of the machine that exported,
    and in a small network they outweigh the weights.
    """
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model
