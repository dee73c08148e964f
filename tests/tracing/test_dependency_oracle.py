"""Groups against an independent oracle: the dependency graph of torch-pruning (Fang et al., CVPR 2023)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from zoo import traced

from autoprune.models.vision import Unavailable, build
from autoprune.tracing import Traced, trace

tp = pytest.importorskip("torch_pruning")

# What a unit takes with it: (layer, "out" or "in", position).
Coupled = set[tuple[str, str, int]]

# Networks of the zoo that torch-pruning handles as they are.
UNDERSTOOD = ["chain", "residual", "dense block", "squeeze and excitation", "depthwise separable", "flattened image"]


def ours(net: Traced, group: int, unit: int) -> Coupled:
    """Positions of one unit on every layer's channels; a norm's or bias's are its layer's outputs."""
    found: Coupled = set()
    for axis in net.axes:
        layer, _, tensor = axis.parameter.rpartition(".")
        side = "in" if axis.axis == 1 else "out"
        if tensor == "weight":
            found |= {(layer, side, int(i)) for i in np.flatnonzero((axis.group == group) & (axis.unit == unit))}
    return found


def theirs(model: nn.Module, graph: Any, layer: str, position: int) -> Coupled:
    """The same from torch-pruning, started at one output channel of `layer`."""
    names = {module: name for name, module in model.named_modules()}
    prune_outputs = tp.prune_conv_out_channels
    if isinstance(model.get_submodule(layer), nn.Linear):
        prune_outputs = tp.prune_linear_out_channels
    found: Coupled = set()
    for dependency, positions in graph.get_pruning_group(model.get_submodule(layer), prune_outputs, idxs=[position]):
        module = dependency.target.module
        if module not in names:  # what is no layer: sums, concatenations, views
            continue
        two_sided = isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
        side = "in" if two_sided and graph.is_in_channel_pruning_fn(dependency.handler) else "out"
        found |= {(names[module], side, int(i)) for i in positions}
    return found


def compare(model: nn.Module, net: Traced, example: torch.Tensor) -> int:
    """Compare every group at its first, middle and last unit; how many units were compared."""
    graph = tp.DependencyGraph().build_dependency(model, example_inputs=example)
    compared = 0
    for g, group in enumerate(net.space.groups):
        for unit in {0, net.units[g] // 2, net.units[g] - 1}:
            mine = ours(net, g, unit)
            start = min(position for layer, side, position in mine if (layer, side) == (group.name, "out"))
            assert mine == theirs(model, graph, group.name, start), group.name
            compared += 1
    return compared


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_coupled_channels_are_the_same(name: str) -> None:
    case, model, net = traced(name)
    assert compare(model, net, case.example()) >= len(net.space)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_coupled_channels_of_torchvision_networks_are_the_same(name: str) -> None:
    pytest.importorskip("torchvision")
    try:
        model = build("torchvision", name, {"num_classes": 10}).eval()
    except Unavailable as error:
        pytest.skip(str(error))
    example = torch.randn(1, 3, 64, 64)
    net = trace(model, example)
    assert compare(model, net, example) > 12


def test_what_torch_pruning_gets_wrong_is_right_here() -> None:
    """Option A shortcuts: its group for the residual stream makes a network that does not run, ours one that does."""
    case, model, net = traced("option A shortcuts")
    graph = tp.DependencyGraph().build_dependency(model, example_inputs=case.example())
    streams = ("conv1", "layer2.0.conv2", "layer3.0.conv2")
    for g, group in enumerate(net.space.groups):
        same = ours(net, g, 0) == theirs(model, graph, group.name, 0)
        assert same == (group.name not in streams)
    narrow = net.slice(model, [np.arange(1, n) if g == 0 else np.arange(n) for g, n in enumerate(net.units)])
    assert narrow(case.example()).shape == (2, 10)
    broken = copy.deepcopy(model)
    graph = tp.DependencyGraph().build_dependency(broken, example_inputs=case.example())
    graph.get_pruning_group(broken.get_submodule("conv1"), tp.prune_conv_out_channels, idxs=[0]).prune()
    with pytest.raises(RuntimeError):
        broken(case.example())
