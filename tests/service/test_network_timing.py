"""ONNX files from outside, measured on a device of the service."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from running_service import Running
from tiny import tiny_net
from torch import nn

from autoprune.cli import main
from autoprune.client import Client, MeasureRequest, ServiceProblem
from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.progress import Silent
from autoprune.service.work.timing import time_networks


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    export_onnx(tiny_net(), torch.zeros(1, 1, 8, 8), path)
    return path


def test_two_networks_are_measured_in_turns_by_one_command(
    service: Running, network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.onnx"
    export_onnx(nn.Flatten(), torch.zeros(1, 1, 8, 8), other)
    assert main(["measure", str(network), str(other), "--url", service.url, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["networks"]
    assert len({one["upload"] for one in found}) == 2
    assert all(one["median_ms"] > 0 and one["spread_ms"] >= 0 and one["runs"] > 100 for one in found)


def test_what_is_no_uploaded_network_is_refused(client: Client) -> None:
    with pytest.raises(ServiceProblem, match="no upload"):
        client.measure(MeasureRequest(networks=("/etc/passwd",)))
    with pytest.raises(ServiceProblem, match="threads: at most"):
        client.measure(MeasureRequest(networks=("up_" + 32 * "0",), threads=1000))


def endless(path: Path) -> Path:
    """A network that adds one to its input, again and again for years."""
    scalar = (TensorProto.FLOAT, [1])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Add", ["x", "one"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", *scalar),
        ],
        [helper.make_tensor_value_info("goes", TensorProto.BOOL, []), helper.make_tensor_value_info("y", *scalar)],
        [helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["turns", "", "input"], ["output"], body=body)],
        "endless",
        [helper.make_tensor_value_info("input", *scalar)],
        [helper.make_tensor_value_info("output", *scalar)],
        [helper.make_tensor("turns", TensorProto.INT64, [], [2**60])],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_network_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"within 2 s"):
        time_networks([endless(tmp_path / "endless.onnx")], Device(), 2.0, Silent())


def test_a_network_that_the_runtime_refuses_is_told_without_its_path(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(BadInput, match="network 1") as refused:
        time_networks([path], Device(), 60.0, Silent())
    assert str(tmp_path) not in str(refused.value)
