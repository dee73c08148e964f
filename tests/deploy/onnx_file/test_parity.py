from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.deploy.onnx_file.parity import parity, require_parity
from autoprune.errors import AutopruneError, BadInput


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.linear = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.norm(self.conv(x)).relu().mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    module, path = Small(), tmp_path_factory.mktemp("parity") / "small.onnx"
    export_onnx(module, torch.randn(4, 1, 6, 6), path)
    return module, path


@pytest.mark.parametrize("count", [1, 4, 7])
def test_the_file_answers_as_the_module_does_on_any_number_of_images(
    exported: tuple[nn.Module, Path], count: int
) -> None:
    module, path = exported
    assert require_parity(module, path, torch.randn(count, 1, 6, 6)) < 1e-5
    assert module.training


def test_a_changed_module_is_told_from_its_file(exported: tuple[nn.Module, Path]) -> None:
    module, path = exported
    changed = copy.deepcopy(module)
    assert isinstance(changed, Small)
    with torch.no_grad():
        changed.linear.bias[2] += 0.25
    images = torch.randn(5, 1, 6, 6)
    assert parity(changed, path, images) == pytest.approx(0.25, abs=1e-5)
    with pytest.raises(AutopruneError, match=r"differ from the module's by 0\.25"):
        require_parity(changed, path, images)


def test_outputs_that_are_no_numbers_are_no_parity(exported: tuple[nn.Module, Path]) -> None:
    module, path = exported
    broken = copy.deepcopy(module)
    assert isinstance(broken, Small)
    with torch.no_grad():
        broken.linear.bias[0] = float("nan")
    with pytest.raises(AutopruneError, match="by inf"):
        require_parity(broken, path, torch.randn(4, 1, 6, 6))


def test_no_images_are_no_proof(exported: tuple[nn.Module, Path]) -> None:
    with pytest.raises(BadInput, match="at least one image"):
        parity(*exported, torch.randn(0, 1, 6, 6))
