"""Size on disk: what is counted for any policy against the file that is really written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tiny import TinyNet
from torch import Tensor, nn

from autoprune.cost import CostModel
from autoprune.deploy.onnx_file.export import export_onnx
from autoprune.deploy.onnx_file.size import with_file_size
from autoprune.models.resnet_cifar import resnet20
from autoprune.pipeline.subject import Network
from autoprune.space import Policy


class Linears(nn.Module):
    """A batch norm behind a linear layer that has a bias, (N, 1, 8, 8) to (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(64, 96), nn.BatchNorm1d(96), nn.Linear(96, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(torch.relu(self.norm(self.first(x.flatten(1)))))
        return logits


class NormFirst(nn.Module):
    """A batch norm that reads a sum, so that it stays an operator and keeps its statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 32, 3), nn.Conv2d(1, 32, 3, bias=False)
        self.norm, self.last = nn.BatchNorm2d(32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(torch.relu(self.norm(self.left(x) + self.right(x))).mean((2, 3)))
        return logits


def trained(model: nn.Module) -> nn.Module:
    """The model with values that no exporter folds away."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 1.0, generator=generator)
    return model


def networks() -> list[tuple[nn.Module, tuple[int, ...]]]:
    return [(Linears(), (1, 8, 8)), (NormFirst(), (1, 8, 8)), (TinyNet(), (1, 8, 8)), (resnet20(), (3, 32, 32))]


@pytest.mark.parametrize("index", range(4))
def test_a_policys_file_is_as_large_as_counted(index: int, tmp_path: Path) -> None:
    model, shape = networks()[index]
    network = Network.of("net", trained(model), shape)
    space, example = network.traced.space, network.images(1)
    cost = CostModel(space, with_file_size(network.traced.counts, network.model, network.traced, example))
    rng = np.random.default_rng(0)
    policies = [space.dense(), space.smallest(), space.policy(rng.uniform(0.2, 1.0, len(space)).tolist())]
    for policy in policies:
        export_onnx(sliced(network, policy, rng), example, tmp_path / "net.onnx")
        written = (tmp_path / "net.onnx").stat().st_size
        counted = cost.cost(policy).size_bytes
        assert counted is not None
        # Shorter lengths make a graph a little smaller, which shows where it is all that is left.
        assert written <= counted <= (1.0001 if policy == space.dense() else 1.02) * written


def sliced(network: Network, policy: Policy, rng: np.random.Generator) -> nn.Module:
    """The network of `policy`, which of the units are kept being drawn."""
    groups = zip(network.traced.space.groups, policy.widths, strict=True)
    kept = [np.sort(rng.choice(g.width // g.unit, width // g.unit, replace=False)) for g, width in groups]
    return network.traced.slice(network.model, kept)


def test_an_exported_file_tells_nothing_of_the_machine_that_made_it(tmp_path: Path) -> None:
    export_onnx(Linears(), torch.zeros(1, 1, 8, 8), tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    assert Path(__file__).name.encode() not in content
    assert sys.prefix.encode() not in content
    onnx.checker.check_model(onnx.load(tmp_path / "net.onnx"), full_check=True)


def test_counted_activation_memory_is_what_lives_at_once_in_the_exported_graph(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for model, shape in networks():
        network = Network.of("net", trained(model), shape)
        space = network.traced.space
        cost = CostModel(space, network.traced.counts)
        for ratio in (1.0, 0.5):
            policy = space.policy([ratio] * len(space))
            export_onnx(sliced(network, policy, rng), network.images(1), tmp_path / "net.onnx")
            assert cost.cost(policy).peak_memory_bytes == peak_bytes(onnx.load(tmp_path / "net.onnx"))


_IN_PLACE = {"Relu", "Add", "BatchNormalization", "Reshape", "Flatten"}


def peak_bytes(model: onnx.ModelProto) -> int:
    """Most bytes of float32 activations alive at once: an element-wise operator writes over an input that it ends."""
    graph = model.graph
    known = (*graph.value_info, *graph.output)
    sizes = {v.name: 4 * int(np.prod([d.dim_value for d in v.type.tensor_type.shape.dim])) for v in known}
    last = {name: step for step, node in enumerate(graph.node) for name in node.input}
    last |= {value.name: len(graph.node) for value in graph.output}
    alive: dict[str, int] = {}
    peak = 0
    for step, node in enumerate(graph.node):
        made = {name: sizes[name] for name in node.output if name in last and name in sizes}
        ended = [name for name in dict.fromkeys(node.input) if last.get(name) == step and name in alive]
        reused = max((alive[name] for name in ended if node.op_type in _IN_PLACE), default=0)
        alive |= made
        peak = max(peak, sum(alive.values()) - reused)
        for name in ended:
            del alive[name]
    return peak
