from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.errors import BadInput


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(288, 4)
    )


def test_the_file_is_a_valid_model_with_the_example_s_shape(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(small(), torch.randn(2, 3, 8, 8), path)
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [2, 3, 8, 8]
    assert "Dropout" not in {node.op_type for node in model.graph.node}
    assert list(tmp_path.iterdir()) == [path]


def test_a_module_in_training_stays_there(tmp_path: Path) -> None:
    module = small().train()
    export_onnx(module, torch.randn(1, 3, 8, 8), tmp_path / "model.onnx")
    assert all(child.training for child in module.modules())


def test_what_cannot_be_exported_leaves_the_old_file(tmp_path: Path) -> None:
    class Choosing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > 0 else -x

    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(BadInput, match="Choosing cannot be exported"):
        export_onnx(Choosing(), torch.randn(1, 3), path)
    assert path.read_bytes() == b"old"
