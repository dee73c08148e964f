from __future__ import annotations

import functools

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from small_networks import CPU
from torch import Tensor, nn

from autoprune.copies.family import NetworkFamily
from autoprune.copies.networks import Copies, ExportedNetworks, export_model, networks
from autoprune.errors import BadInput
from autoprune.profiler.runtime.session import Session
from autoprune.space import ChannelGroup, Policy, SearchSpace

SHAPE = (2, 3, 8, 8)


class Concatenating(nn.Module):
    """A convolution, a depthwise one, both joined, and a linear layer on the flattened pixels; some biases are zero."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, first, 3, padding=1)
        self.norm = nn.BatchNorm2d(first)
        self.depthwise = nn.Conv2d(first, first, 3, padding=1, groups=first)
        self.last = nn.Conv2d(2 * first, last, 1, bias=False)
        self.norm_last = nn.BatchNorm2d(last)
        self.linear = nn.Linear(last * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.norm(self.first(x)))
        x = F.max_pool2d(torch.cat([x, self.depthwise(x)], dim=1), 2)
        logits: Tensor = self.linear(F.relu(self.norm_last(self.last(x))).flatten(1))
        return logits


SPACE = SearchSpace(
    (ChannelGroup("first", 24, (8, 16, 24), ("first",)), ChannelGroup("last", 16, (4, 8, 16), ("last",)))
)


def build(policy: Policy) -> nn.Module:
    return Concatenating(*policy.widths)


@functools.cache
def family() -> Copies:
    return networks(build, SPACE, SHAPE)


def shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    return {i.name: list(i.dims) for i in model.graph.initializer}


def test_copies_are_made_from_a_few_exports_and_run() -> None:
    made = family()
    assert isinstance(made, NetworkFamily)
    for widths in ((24, 16), (8, 4), (5, 7)):
        [logits] = Session(made(Policy(widths)), CPU).run()
        assert logits.shape == (2, 10)
        assert np.isfinite(logits).all()


def test_a_copy_has_the_structure_of_an_export_of_its_own() -> None:
    policy = Policy((8, 4))
    module = build(policy)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    written = export_model(module, torch.randn(SHAPE))
    made = onnx.load_from_string(family()(policy))
    assert [(n.op_type, n.name, list(n.input)) for n in made.graph.node] == [
        (n.op_type, n.name, list(n.input)) for n in written.graph.node
    ]
    assert shapes(made) == shapes(written)
    integers = [
        {
            i.name: numpy_helper.to_array(i).tolist()
            for i in m.graph.initializer
            if i.data_type == onnx.TensorProto.INT64
        }
        for m in (made, written)
    ]
    assert integers[0] == integers[1]


def test_biases_that_are_zero_before_training_are_part_of_every_copy() -> None:
    convolutions = [n for n in onnx.load_from_string(family()(Policy((8, 4)))).graph.node if n.op_type == "Conv"]
    assert len(convolutions) == 3
    assert all(len(node.input) == 3 for node in convolutions)


class PreActivated(nn.Module):
    """Norms that stand before their convolution, so that no exporter folds them into one."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, first, 3, padding=1)
        self.norm = nn.BatchNorm2d(first)
        self.last = nn.Conv2d(first, last, 3, padding=1)
        self.norm_last = nn.BatchNorm2d(last)
        self.linear = nn.Linear(last, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(F.max_pool2d(self.first(x), 2)))
        x = F.relu(self.norm_last(F.max_pool2d(self.last(x), 2)))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def test_norms_that_are_equally_wide_in_one_copy_keep_their_own_variances() -> None:
    """Before training all variances are ones, and exporters store equal tensors once."""
    space = SearchSpace(
        (ChannelGroup("first", 16, tuple(range(2, 17)), ("first",)), ChannelGroup("last", 16, (4, 8, 16), ("last",)))
    )
    assert isinstance(networks(lambda policy: PreActivated(*policy.widths), space, SHAPE), NetworkFamily)


def test_an_export_changes_neither_module_nor_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    module = build(Policy((8, 4))).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    export_model(module, torch.randn(SHAPE))
    assert all(child.training for child in module.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert capsys.readouterr().out == ""


def test_a_module_that_cannot_be_followed_is_refused_by_name() -> None:
    class Choosing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(BadInput, match="Choosing cannot be exported to ONNX"):
        export_model(Choosing(), torch.randn(SHAPE))


def test_networks_that_are_no_family_are_exported_one_by_one_and_that_is_said() -> None:
    class Switching(nn.Module):
        """Another operator below 6 channels."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, width, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return x.tanh() if self.conv.out_channels < 6 else x.sigmoid()

    told: list[str] = []
    space = SearchSpace((ChannelGroup("conv", 8, (4, 8), ("conv",)),))
    made = networks(
        lambda policy: Switching(*policy.widths), space, SHAPE, on_progress=lambda message, _: told.append(message)
    )
    assert isinstance(made, ExportedNetworks)
    assert any("exported by itself" in message for message in told)
    narrow = onnx.load_from_string(made(Policy((4,))))
    assert [node.op_type for node in narrow.graph.node] == ["Conv", "Tanh"]
    assert made.skeleton(Policy((4,))) is made.skeleton(Policy((4,)))  # an export takes seconds
    assert made(Policy((4,))) == made(Policy((4,)))
    with pytest.raises(BadInput, match="conv"):
        made(Policy((9,)))
