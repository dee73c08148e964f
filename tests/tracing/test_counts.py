"""Counts as functions of the policy, against the modules that are really sliced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from zoo import ZOO, Chain, Decoder, traced

from autoprune.cost import CostModel, Metric
from autoprune.models.resnet_cifar import resnet56
from autoprune.space import Policy
from autoprune.tracing import Traced, trace

# Attention multiplies activations, which hooks on layers cannot see.
COUNTED = [name for name in ZOO if name not in ("transformer", "attention by hand")]


def multiplied(model: nn.Module, x: Tensor) -> int:
    """MACs of one image, counted by hooks on every convolution and linear layer that runs."""
    total = 0

    def hook(layer: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, Tensor)
        if isinstance(layer, nn.ConvTranspose2d):  # each input number meets one row of the weight
            total += args[0].numel() * weight[0].numel()
        else:  # each output number is made from one row of the weight
            total += out.numel() * weight[0].numel()

    layers = [m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    handles = [layer.register_forward_hook(hook) for layer in layers]
    with torch.no_grad():
        model(x[:1])
    for handle in handles:
        handle.remove()
    return total


def sliced(model: nn.Module, net: Traced, widths: tuple[int, ...]) -> nn.Module:
    units = [width // group.unit for width, group in zip(widths, net.space.groups, strict=True)]
    return net.slice(model, [np.arange(n) for n in units])


@pytest.mark.parametrize("name", COUNTED)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_macs_and_parameters_are_those_of_the_sliced_module(name: str, data: st.DataObject) -> None:
    case, model, net = traced(name)
    widths = tuple(data.draw(st.sampled_from(g.widths)) for g in net.space.groups)
    cost = CostModel(net.space, net.counts).cost(Policy(widths))
    small = sliced(model, net, widths)
    assert cost.macs == multiplied(small, case.example())
    assert cost.params == sum(p.numel() for p in small.parameters())


@pytest.mark.parametrize("name", ZOO)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_count_of_a_slice_is_that_of_tracing_the_slice(name: str, data: st.DataObject) -> None:
    """Peak memory too: what the plan says of a policy is what a trace of the smaller network says of itself."""
    case, model, net = traced(name)
    widths = tuple(data.draw(st.sampled_from(g.widths)) for g in net.space.groups)
    again = trace(sliced(model, net, widths), case.example())
    here, there = CostModel(net.space, net.counts), CostModel(again.space, again.counts)
    assert here.cost(Policy(widths)) == there.cost(again.space.dense())


@pytest.mark.parametrize("name", ZOO)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_wider_network_never_counts_less(name: str, data: st.DataObject) -> None:
    _, _, net = traced(name)
    pairs = [sorted(data.draw(st.tuples(*[st.sampled_from(g.widths)] * 2))) for g in net.space.groups]
    both = CostModel(net.space, net.counts).costs(np.array(pairs, dtype=np.int64).reshape(len(pairs), 2).T)
    for metric in (Metric.MACS, Metric.PARAMS, Metric.MEMORY):
        assert both[metric][0] <= both[metric][1]


def test_memory_of_a_chain_by_hand() -> None:
    """Norm and ReLU work in place, so most is alive while the pool reads 8 channels of 8x8 and writes a quarter."""
    net = trace(Chain().eval(), torch.randn(1, 3, 8, 8))
    peak = CostModel(net.space, net.counts).cost(net.space.dense()).peak_memory_bytes
    assert peak == 4 * 8 * (8 * 8 + 4 * 4)


def test_a_transposed_convolution_counts_what_it_reads() -> None:
    """5x5 to 4x4 and back to 9x9: 16 positions of 8 channels, each times 6 x 9."""
    net = trace(Decoder().eval(), torch.randn(1, 3, 8, 8))
    up = sum(v.factor * np.prod([e.at([8, 6]) for e in v.extents]) for v in net.counts.macs if v.layer == "up")
    assert up == 4 * 4 * 8 * 6 * 9


def test_fused_attention_counts_both_products() -> None:
    """Four places, two heads of four: 4 x 4 x 8 for the weights and as much for the values."""
    case, model, net = traced("transformer")
    linear = multiplied(model, case.example())
    attention = 2 * (4 * 4 * 8)
    in_projection, out_projection = 4 * 8 * 24, 4 * 8 * 8  # read as plain tensors, so hooks miss them
    dense = CostModel(net.space, net.counts).cost(net.space.dense())
    assert dense.macs == linear + attention + in_projection + out_projection


def test_the_counts_of_resnet56_are_the_known_ones() -> None:
    """0.85 M parameters and 126 M MACs (He et al., CVPR 2016, table 6 and section 4.2)."""
    net = trace(resnet56().eval(), torch.randn(1, 3, 32, 32))
    dense = CostModel(net.space, net.counts).cost(net.space.dense())
    assert (dense.macs, dense.params) == (125_485_696, 853_018)
