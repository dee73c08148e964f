"""Padding calls in a network's own code: a sliced network pads what is left, and is an ordinary module otherwise."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from zoo import PADDINGS, Head, Named, Padded, conv_bn, traced

from autoprune.models import fingerprint
from autoprune.models.resnet_cifar import BasicBlock, resnet20
from autoprune.tracing import Traced, pad_behind, trace
from autoprune.tracing.padding import ChannelPad, PadCall, Padding, replace_padding

STREAMS = {"conv1": 16, "layer2.0.conv2": 16, "layer3.0.conv2": 32}


def narrow(model: nn.Module, net: Traced, seed: int = 0) -> nn.Module:
    """The network with a random half of the units of each group."""
    return net.slice(model, half(net, seed))


def half(net: Traced, seed: int = 0) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    return [np.sort(rng.permutation(n)[: max(1, n // 2)]) for n in net.units]


def pads(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Where channels are padded, and how many zeros come before and after them."""
    found = {name: module for name, module in model.named_modules() if isinstance(module, ChannelPad)}
    return {name: (pad.padding.before, pad.padding.after) for name, pad in found.items()}


def answers(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = model(x)
        return out


@pytest.fixture(scope="module")
def resnet() -> tuple[nn.Module, Traced, Tensor]:
    case, model, net = traced("option A shortcuts")
    return model, net, case.example()


# The residual streams of the CIFAR ResNets.


def test_each_stage_of_a_cifar_resnet_brings_a_group(resnet: tuple[nn.Module, Traced, Tensor]) -> None:
    _, net, _ = resnet
    assert {g.name: g.width for g in net.space.groups if g.name in STREAMS} == STREAMS
    assert net.space.frozen == ()
    assert [pad.call for pad in net.pads] == [PadCall("layer2.0", 0), PadCall("layer3.0", 0)]


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.sets(st.integers(0, n - 1), min_size=1) for n in STREAMS.values()]))
def test_kept_zeros_stand_where_they_stood(kept: tuple[set[int], ...]) -> None:
    """Of stage 2's 32 channels 8 are zeros, 16 those of stage 1, 8 zeros; of stage 3's 64, 16 zeros, these 32, 16."""
    _, model, net = traced("option A shortcuts")
    chosen = [np.arange(n) for n in net.units]
    for name, units in zip(STREAMS, kept, strict=True):
        chosen[[g.name for g in net.space.groups].index(name)] = np.array(sorted(units))
    small = net.slice(model, chosen)
    _, second, third = kept
    assert pads(small) == {
        "layer2.0.channel_pad0": (len(second & set(range(8))), len(second - set(range(8)))),
        "layer3.0.channel_pad0": (len(third & set(range(16))), len(third - set(range(16)))),
    }
    widths = [len(units) for units in kept]
    assert small.get_parameter("conv1.weight").shape[0] == widths[0]
    assert small.get_parameter("layer2.1.conv1.weight").shape[1] == sum(widths[:2])
    assert small.get_parameter("linear.weight").shape[1] == sum(widths)


# A sliced network is an ordinary module.


def test_names_and_their_order_stay(resnet: tuple[nn.Module, Traced, Tensor]) -> None:
    model, net, _ = resnet
    small = narrow(model, net)
    assert list(small.state_dict()) == list(model.state_dict())
    assert [name for name, _ in small.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert isinstance(small.get_submodule("layer2.0"), BasicBlock)
    assert {name for name, _ in small.named_modules()} - {name for name, _ in model.named_modules()} == set(pads(small))


def by_pickle(model: nn.Module) -> nn.Module:
    copied: nn.Module = pickle.loads(pickle.dumps(model))
    return copied


def by_torch_save(model: nn.Module) -> nn.Module:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    loaded: nn.Module = torch.load(buffer, weights_only=False)
    return loaded


def by_weights(model: nn.Module) -> nn.Module:
    filled = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in filled.parameters():
            parameter.zero_()
    filled.load_state_dict(model.state_dict())
    return filled


@pytest.mark.parametrize("copied", [copy.deepcopy, by_pickle, by_torch_save, by_weights])
def test_copies_answer_alike_and_are_of_their_own(
    resnet: tuple[nn.Module, Traced, Tensor], copied: Callable[[nn.Module], nn.Module]
) -> None:
    model, net, x = resnet
    small = narrow(model, net)
    expected = answers(small, x)
    twin = copied(copied(small))
    assert fingerprint(twin) == fingerprint(small)
    torch.testing.assert_close(answers(twin, x), expected, rtol=0, atol=0)
    pad_behind(twin)
    assert pads(twin) != pads(small)
    torch.testing.assert_close(answers(small, x), expected, rtol=0, atol=0)


def test_two_slices_of_one_network_know_nothing_of_each_other(resnet: tuple[nn.Module, Traced, Tensor]) -> None:
    model, net, x = resnet
    first, expected = narrow(model, net), answers(model, x)
    before = answers(first, x)
    second = net.slice(model, [np.arange(1) for _ in net.units])
    assert pads(first) != pads(second)
    assert answers(second, x).shape == expected.shape
    torch.testing.assert_close(answers(first, x), before, rtol=0, atol=0)
    torch.testing.assert_close(answers(model, x), expected, rtol=0, atol=0)
    assert pads(model) == {}


def test_other_batches_and_image_sizes_run(resnet: tuple[nn.Module, Traced, Tensor]) -> None:
    model, net, _ = resnet
    small = narrow(model, net)
    for shape in ((1, 3, 8, 8), (5, 3, 32, 24)):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        assert answers(small, x).shape == (shape[0], 10)


def test_what_hooks_pad_is_not_mistaken_for_the_networks_own(resnet: tuple[nn.Module, Traced, Tensor]) -> None:
    """Hooks run between the padding calls of a module, those of its children and its own."""
    model, net, x = resnet
    small = narrow(model, net)
    expected = answers(small, x)

    def pad_and_join(_: nn.Module, args: tuple[Tensor, ...], *out: Tensor) -> None:
        F.pad(torch.cat([args[0], args[0]], 1), (1, 1))
        assert not out or F.pad(out[0], (0, 1)).shape[-1] == out[0].shape[-1] + 1

    for module in small.modules():
        module.register_forward_pre_hook(pad_and_join)
        module.register_forward_hook(pad_and_join)
    torch.testing.assert_close(answers(small, x), expected, rtol=0, atol=0)


def test_a_sliced_network_trains_as_one_that_was_written_so() -> None:
    torch.manual_seed(0)
    model, x = Padded(PADDINGS["F.pad"]).eval(), torch.randn(2, 3, 8, 8)
    net = trace(model, x)
    keep_first = [np.arange(n // 2) for n in net.units]
    small = net.slice(model, keep_first)
    written = Padded(lambda x, _: F.pad(x, (0, 0, 0, 0, 4, 0)), stem=4, inner=5, wide=8)
    written.load_state_dict(small.state_dict())
    for one in (small.train(), written.train()):
        one(x).square().sum().backward()
    for mine, expected in zip(small.parameters(), written.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, expected.grad)


def test_a_network_can_be_sliced_again(resnet: tuple[nn.Module, Traced, Tensor]) -> None:
    model, net, x = resnet
    once = narrow(model, net)
    again = trace(once, x)
    assert [(g.name, g.width) for g in again.space.groups] == [(g.name, g.width // 2) for g in net.space.groups]
    units = half(again, seed=1)
    twice = again.slice(once, units)
    at_once = net.slice(model, [kept[u] for kept, u in zip(half(net), units, strict=True)])
    assert pads(twice) == pads(at_once)
    torch.testing.assert_close(answers(twice, x), answers(at_once, x), rtol=1e-5, atol=1e-5)


def test_the_compiler_steps_aside_where_channels_are_padded(resnet: tuple[nn.Module, Traced, Tensor]) -> None:
    model, net, x = resnet
    small = narrow(model, net)
    compiled: Any = torch.compile(copy.deepcopy(small), backend="eager")
    torch.testing.assert_close(answers(compiled, x), answers(small, x), rtol=1e-5, atol=1e-5)


def test_padding_behind_costs_the_same_and_moves_the_channels(resnet: tuple[nn.Module, Traced, Tensor]) -> None:
    model, net, x = resnet
    small = narrow(model, net)
    moved = copy.deepcopy(small)
    pad_behind(moved)
    assert pads(moved) == {name: (0, before + after) for name, (before, after) in pads(small).items()}
    assert answers(moved, x).shape == answers(small, x).shape
    assert not torch.allclose(answers(moved, x), answers(small, x), atol=1e-3)


# Padding calls.


class Branches(Named):
    """Pads two shortcuts, joins something else before, between and after them."""

    def __init__(self) -> None:
        super().__init__(a=conv_bn(16, 12), b=conv_bn(12, 20), c=nn.Conv2d(40, 8, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.run("a", torch.cat([x, x.sigmoid()], 1)) + F.pad(x, (0, 0, 0, 0, 4, 0))
        z = self.run("b", F.pad(y, (1, 1))[..., 1:-1]) + F.pad(y, (0, 0, 0, 0, 0, 8))
        return self.run("c", torch.cat([z, z.relu()], 1))


def test_calls_are_told_apart_by_their_order_in_a_module_also_where_it_runs_twice() -> None:
    class Twice(Named):
        def __init__(self) -> None:
            super().__init__(stem=nn.Conv2d(3, 8, 3), branches=Branches(), head=Head(8))

        def forward(self, x: Tensor) -> Tensor:
            return self.run("head", self.run("branches", self.run("branches", self.run("stem", x))))

    torch.manual_seed(0)
    model, x = Twice().eval(), torch.randn(2, 3, 8, 8)
    net = trace(model, x)
    assert [(g.name, g.width) for g in net.space.groups] == [("stem", 8), ("branches.a.0", 4), ("branches.b.0", 8)]
    assert [pad.call for pad in net.pads] == [PadCall("branches", 1), PadCall("branches", 3)]
    small = narrow(model, net)
    assert pads(small) == {"branches.channel_pad1": (2, 0), "branches.channel_pad3": (0, 4)}
    assert answers(small, x).shape == (2, 5)


def test_a_call_that_pads_otherwise_the_second_time_is_frozen() -> None:
    class Changing(Named):
        def __init__(self) -> None:
            super().__init__(stem=conv_bn(3, 8), pad=Longer(), one=conv_bn(8, 12), two=conv_bn(12, 16), head=Head(16))

        def forward(self, x: Tensor) -> Tensor:
            x = self.run("stem", x)
            x = self.run("one", x) + self.run("pad", x)
            return self.run("head", self.run("two", x) + self.run("pad", x))

    class Longer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.pad(x, (0, 0, 0, 0, *((2, 2) if x.shape[1] == 8 else (1, 3))))

    torch.manual_seed(0)
    net = trace(Changing().eval(), torch.randn(1, 3, 8, 8))
    assert net.pads == ()
    assert net.space.groups == ()
    assert {f.name for f in net.space.frozen} == {"stem.0", "one.0", "two.0"}
    assert all("module 'pad' pads them otherwise each time that it runs" in f.reason for f in net.space.frozen)


def test_a_module_whose_class_knows_how_to_copy_itself_is_frozen_where_that_loses_the_padding() -> None:
    class Copying(Padded):
        def __deepcopy__(self, memo: dict[int, Any]) -> Copying:
            twin = Copying(self.pad)
            memo[id(self)] = twin
            for name, child in self.named_children():
                twin.add_module(name, copy.deepcopy(child, memo))
            return twin.train(self.training)

    torch.manual_seed(0)
    net = trace(Copying(PADDINGS["F.pad"]).eval(), torch.randn(1, 3, 8, 8))
    assert [g.name for g in net.space.groups] == ["stem.0", "one.0"]
    assert [(f.name, f.width) for f in net.space.frozen] == [("two.0", 8)]


def test_constants_that_were_overwritten_are_no_padding() -> None:
    def scattered(x: Tensor, _: Tensor) -> Tensor:
        rest = torch.zeros(len(x), 8, *x.shape[2:])
        rest[:, :4] = x[:, 4:]
        return torch.cat([x, rest], 1)

    torch.manual_seed(0)
    net = trace(Padded(scattered).eval(), torch.randn(1, 3, 8, 8))
    assert net.pads == ()
    assert "stem.0" in {f.name for f in net.space.frozen}


def test_zeros_that_nothing_else_makes_stay() -> None:
    """A convolution that reads padded channels alone: no layer could be asked not to make them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ConstantPad3d((0, 0, 0, 0, 2, 2), 0.0), nn.Conv2d(12, 6, 1), Head(6))
    x = torch.randn(1, 3, 8, 8)
    net = trace(model.eval(), x)
    assert [(g.name, g.width) for g in net.space.groups] == [("0", 8), ("2", 6)]
    small = net.slice(model, [np.arange(3), np.arange(6)])
    assert pads(small) == {"1.channel_pad0": (2, 2)}
    assert small.get_parameter("2.weight").shape == (6, 7, 1, 1)


# The pieces.


@given(st.integers(0, 3), st.integers(0, 3), st.integers(-4, -1), st.floats(-2, 2))
def test_a_channel_pad_is_what_concatenation_with_constants_is(
    before: int, after: int, axis: int, value: float
) -> None:
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))

    def constants(amount: int) -> Tensor:
        shape = list(x.shape)
        shape[axis] = amount
        return torch.full(shape, value)

    made = ChannelPad(Padding(before, after, axis, value))(x)
    torch.testing.assert_close(made, torch.cat([constants(before), x, constants(after)], axis), rtol=0, atol=0)


@pytest.mark.parametrize("wrong", [{"before": -1}, {"after": -2}, {"axis": 1}])
def test_a_padding_that_is_none_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"amounts from 0 on and an axis below 0, got Padding\("):
        Padding(**{"before": 1, "after": 1, "axis": -3, **wrong})


def test_the_root_itself_can_pad() -> None:
    """And its inputs keep their names, which exporters read."""
    torch.manual_seed(0)
    model = Padded(PADDINGS["F.pad"]).eval()
    replace_padding(model, PadCall("", 0), Padding(1, 7, -3))
    x = torch.randn(1, 3, 8, 8)
    assert pads(model) == {"channel_pad0": (1, 7)}
    other = Padded(lambda x, _: F.pad(x, (0, 0, 0, 0, 1, 7))).eval()
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(answers(model, x), answers(other, x), rtol=0, atol=0)
    assert inspect.signature(model.forward) == inspect.signature(other.forward)


def test_paddings_cost_no_forward_pass_of_their_own() -> None:
    runs = 0

    def count(*_: Any) -> None:
        nonlocal runs
        runs += 1

    model = resnet20().eval()
    model.register_forward_pre_hook(count)
    trace(model, torch.randn(1, 3, 16, 16))
    assert runs == 4  # the tape, random weights, and the proof's two networks
