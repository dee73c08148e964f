from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.deploy.onnx_file.measure import measure_in_turns
from autoprune.device import Device
from autoprune.errors import BadInput


def test_every_network_is_measured_with_its_spread(tmp_path: Path) -> None:
    paths = [tmp_path / "small.onnx", tmp_path / "large.onnx"]
    for path, channels in zip(paths, (4, 64), strict=True):
        export_onnx(nn.Conv2d(3, channels, 3), torch.randn(1, 3, 16, 16), path)
    measured = measure_in_turns(paths, device=Device(), rounds=3, runs=4)
    assert len(measured) == 2
    for one in measured:
        assert one.runs == 12
        assert one.median > 0
        assert one.spread >= 0


def test_a_file_that_is_no_network_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(BadInput, match=r"broken\.onnx"):
        measure_in_turns([tmp_path / "broken.onnx"], device=Device(), rounds=1, runs=1)
