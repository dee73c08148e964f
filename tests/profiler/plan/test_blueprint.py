from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from autoprune.cost import CountPlan, Extent, Volume
from autoprune.profiler.plan.blueprint import architecture_digest, units_of
from autoprune.space import ChannelGroup, Policy, SearchSpace
from autoprune.tracing import Traced, trace

SPACE = SearchSpace((ChannelGroup("a", 8, (2, 4, 8), ("a",)), ChannelGroup("b", 12, (3, 6, 12), ("b",), unit=3)))
COUNTS = CountPlan(
    macs=(Volume("a", 9, (Extent(3), Extent(0, ((0, 1),)))),),
    params=(Volume("b", 1, (Extent(0, ((1, 3),)),)),),
    tensors=(),
    live=(),
)
DIGEST = architecture_digest((1, 3, 8, 8), SPACE, COUNTS)


def test_units_are_widths_in_units() -> None:
    assert units_of(SPACE, Policy((4, 6))) == [4, 2]
    assert units_of(SPACE, SPACE.dense()) == [8, 4]


def test_a_digest_is_sixteen_hexadecimal_digits_and_always_the_same() -> None:
    assert architecture_digest([1, 3, 8, 8], SPACE, COUNTS) == DIGEST
    assert len(DIGEST) == 16
    assert int(DIGEST, 16) >= 0


def test_the_widths_on_offer_are_no_part_of_an_architecture() -> None:
    fewer = SPACE.with_widths([(4, 8), (12,)])
    assert architecture_digest((1, 3, 8, 8), fewer, COUNTS) == DIGEST


@pytest.mark.parametrize(
    ("shape", "space", "counts"),
    [
        ((2, 3, 8, 8), SPACE, COUNTS),
        ((1, 3, 8, 9), SPACE, COUNTS),
        ((1, 3, 8, 8), SearchSpace(SPACE.groups[:1]), COUNTS),
        ((1, 3, 8, 8), SearchSpace((ChannelGroup("c", 8, (2, 4, 8), ("a",)), SPACE.groups[1])), COUNTS),
        ((1, 3, 8, 8), SearchSpace((SPACE.groups[0], ChannelGroup("b", 12, (3, 6, 12), ("b",)))), COUNTS),
        ((1, 3, 8, 8), SPACE, CountPlan((), COUNTS.params, (), ())),
        ((1, 3, 8, 8), SPACE, CountPlan((Volume("a", 25, COUNTS.macs[0].extents),), COUNTS.params, (), ())),
    ],
    ids=["batch", "input", "groups", "names", "units", "layers", "windows"],
)
def test_another_architecture_has_another_digest(shape: tuple[int, ...], space: SearchSpace, counts: CountPlan) -> None:
    assert architecture_digest(shape, space, counts) != DIGEST


class Net(nn.Module):
    """Two convolutions, the first of `width` channels and a window of `window`."""

    def __init__(self, width: int = 12, window: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, window, padding=window // 2, stride=stride)
        self.last = nn.Conv2d(width, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(torch.relu(self.first(x))).mean((2, 3))
        return logits


@functools.cache
def traced(width: int = 12, window: int = 3, stride: int = 1, size: int = 8) -> Traced:
    return trace(Net(width, window, stride).eval(), torch.randn(1, 3, size, size))


def digest_of(found: Traced, batch: int = 1, size: int = 8) -> str:
    return architecture_digest((batch, 3, size, size), found.space, found.counts)


def test_networks_of_one_architecture_have_one_digest_whatever_their_weights() -> None:
    torch.manual_seed(1)
    other = trace(Net().eval(), torch.randn(1, 3, 8, 8))
    assert digest_of(other) == digest_of(traced())


def test_networks_of_other_widths_windows_strides_sizes_and_batches_have_others() -> None:
    digests = [
        digest_of(traced()),
        digest_of(traced(width=16)),
        digest_of(traced(window=5)),
        digest_of(traced(stride=2)),
        digest_of(traced(size=10), size=10),
        digest_of(traced(), batch=8),
    ]
    assert len(set(digests)) == len(digests)
