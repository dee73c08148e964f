"""Digests: the same for what computes the same, and for nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from beginnings import Chain
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from autoprune.evaluation.prefixes.sameness import Digester
from autoprune.tracing.padding import ChannelPad, Padding

PARTS = (("", "a"), ("", "a", "b"), ("", "a", "b", "c", "head", "head.fc"))


def chain() -> nn.Module:
    torch.manual_seed(0)
    return Chain().eval()


def shared(one: nn.Module, other: nn.Module) -> int:
    """How many parts two networks begin with that have the same digests."""
    digester = Digester()
    pairs = zip(digester.digests(one, PARTS), digester.digests(other, PARTS), strict=True)
    same = [first == second for first, second in pairs]
    assert same == sorted(same, reverse=True)  # whatever begins to differ goes on to
    return sum(same)


@given(data=st.data())
def test_another_number_changes_the_digests_from_there_on(data: st.DataObject) -> None:
    network, other = chain(), chain()
    tensors = dict(other.named_parameters())
    name = data.draw(st.sampled_from(sorted(tensors)))
    position = data.draw(st.integers(0, tensors[name].numel() - 1))
    with torch.no_grad():
        tensors[name].view(-1)[position] += 1e-3
    assert shared(network, other) == {"a": 0, "b": 1}.get(name[0], 2)


def test_copies_have_the_digests_of_their_originals() -> None:
    network = chain()
    assert shared(network, copy.deepcopy(network)) == len(PARTS)
    channels_last = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert shared(channels_last, copy.deepcopy(channels_last)) == len(PARTS)


def _buffer(network: nn.Module) -> None:
    network.get_submodule("b").register_buffer("shift", torch.zeros(1))


def _type(network: nn.Module) -> None:
    network.get_submodule("b").double()


def _layout(network: nn.Module) -> None:
    network.get_submodule("b").to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _class(network: nn.Module) -> None:
    class Other(nn.Conv2d):
        pass

    network.get_submodule("b").__class__ = Other


def _mode(network: nn.Module) -> None:
    network.get_submodule("b").train()


def _hook(network: nn.Module) -> None:
    network.get_submodule("b").register_forward_hook(lambda _, __, made: -made)


@pytest.mark.parametrize("change", [_buffer, _type, _layout, _class, _mode, _hook])
def test_what_else_decides_an_answer_is_part_of_it(change: Callable[[nn.Module], None]) -> None:
    other = chain()
    change(other)
    assert shared(chain(), other) == 1


@dataclass(frozen=True)
class Reach:
    """A setting of a network's own."""

    left: int
    names: frozenset[str] = frozenset()


SETTINGS = (
    None,
    True,
    1,
    1.0,
    "1",
    b"1",
    (1, 2),
    [1, 2],
    ("1, 2",),
    {"a": 1},
    {"a": 2},
    {1, 2},
    Reach(1),
    Reach(2),
    Reach(1, frozenset("ab")),
    F.relu,
    F.gelu,
    torch.relu,
    nn.ReLU,
    nn.GELU,
    torch.float32,
    torch.channels_last,
    torch.Size((1, 2)),
    partial(F.gelu, approximate="none"),
    partial(F.gelu, approximate="tanh"),
    torch.ones(2),
    torch.zeros(2),
    st.just,
)


def test_settings_are_the_same_where_they_are_equal_and_of_one_kind() -> None:
    digester = Digester()

    def digest(setting: object) -> bytes:
        network = chain()
        network.get_submodule("a").setting = setting  # type: ignore[assignment]
        return digester.digests(network, PARTS)[0]

    first = [digest(setting) for setting in SETTINGS]
    assert first == [digest(copy.deepcopy(setting)) for setting in SETTINGS]
    assert len(set(first)) == len(SETTINGS)


def test_what_a_channel_pad_pads_is_a_setting() -> None:
    def padded(before: int) -> nn.Module:
        network = chain()
        network.add_module("b", ChannelPad(Padding(before, 4, -3)))
        return network

    assert shared(padded(3), padded(3)) == len(PARTS)
    assert shared(padded(3), padded(4)) == 1


class Opaque:
    """What it does cannot be seen."""


@pytest.mark.parametrize("setting", [Opaque(), [Opaque()], nn.ReLU(), chain().forward, torch.empty(2, device="meta")])
def test_the_digests_end_before_what_cannot_be_compared(setting: object) -> None:
    network = chain()
    object.__setattr__(network.get_submodule("b"), "setting", setting)
    assert len(Digester().digests(network, PARTS)) == 1


def test_functions_are_one_object_or_two() -> None:
    """Two that are made alike may still differ in what they remember; one that is gone is no other's equal."""

    def scaled(by: float) -> Callable[[Tensor], Tensor]:
        return lambda x: by * x

    digester, seen = Digester(), set()
    for _ in range(20):
        network = chain()
        network.get_submodule("a").setting = scaled(2.0)  # type: ignore[assignment]
        seen.add(digester.digests(network, PARTS)[0])
    assert len(seen) == 20
