"""Cuts: where networks can begin, and that they cannot elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from beginnings import NETWORKS, Chain, pictures
from torch import Tensor, nn

from autoprune.evaluation.inference import folded
from autoprune.evaluation.prefixes.cuts import find_cuts
from autoprune.evaluation.prefixes.resuming import Cut, Reached, Resumable
from autoprune.models.digits_cnn import digits_cnn
from autoprune.models.resnet_cifar import resnet20
from autoprune.tracing import trace


def made(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make().eval()


def found(network: nn.Module) -> tuple[Cut, ...]:
    return find_cuts(network, pictures(2), pictures(3, seed=1))


@pytest.mark.parametrize(("make", "expected"), NETWORKS.items())
def test_a_network_begins_where_nothing_earlier_is_read_again(
    make: Callable[[], nn.Module], expected: tuple[str, ...]
) -> None:
    assert tuple(cut.module for cut in found(made(make))) == expected


@pytest.mark.parametrize("make", NETWORKS)
def test_begun_at_a_cut_it_answers_as_ever(make: Callable[[], nn.Module]) -> None:
    """For other images than it was proven on, and other weights."""
    network = made(make)
    cuts = found(network)
    torch.manual_seed(1)
    with torch.inference_mode():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape) / 3)
        images, reached = pictures(7, seed=2), dict[Cut, Reached]()
        expected = Resumable(network, cuts)(images, on_cut=reached.__setitem__)
        assert list(reached) == list(cuts)
        resumable = Resumable(network, cuts)
        resumable(pictures(3, seed=3))
        for cut in cuts:
            answer = resumable(images, (cut, reached[cut]))
            assert isinstance(answer, Tensor)
            assert isinstance(expected, Tensor)
            assert torch.equal(answer, expected)


def test_what_decides_a_cut_is_all_that_began_before_it_and_nothing_else() -> None:
    network = made(Chain)
    first, second, third = found(network)
    assert first.decided_by == ("", "a")
    assert second.decided_by == ("", "a", "b")
    assert (first.before, second.before, third.before) == ((), ("a",), ("a", "b"))


def test_work_is_the_share_of_multiply_accumulates_and_bytes_are_those_of_one_image() -> None:
    sizes = (3 * 4 * 9 * 36, 4 * 4 * 9 * 9, 4 * 4 * 9 * 9, 4 * 5)
    cuts = found(made(Chain))
    assert [cut.work for cut in cuts] == pytest.approx([sum(sizes[:n]) / sum(sizes) for n in (1, 2, 3)])
    assert [cut.bytes for cut in cuts] == [4 * 36 * 4, 4 * 9 * 4, 4 * 9 * 4]


def test_a_search_for_cuts_leaves_the_network_as_it_was() -> None:
    network = made(Chain)
    before, attributes = copy.deepcopy(network.state_dict()), {n: set(vars(m)) for n, m in network.named_modules()}
    found(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert {n: set(vars(m)) for n, m in network.named_modules()} == attributes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_residual_networks_begin_after_every_block() -> None:
    network = resnet20().eval()
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ready = folded(network, trace(network, images[:1]).norm_after)
    expected = (
        "bn1",
        "layer1.0",
        "layer1.1",
        "layer1",
        "layer2.0",
        "layer2.1",
        "layer2",
        "layer3.0",
        "layer3.1",
        "pool",
    )
    assert tuple(cut.module for cut in find_cuts(ready, images[:2], images[2:])) == expected


def test_blocks_with_a_convolution_beside_them_are_cuts_as_well() -> None:
    images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    cuts = find_cuts(digits_cnn().eval(), images[:2], images[2:])
    assert tuple(cut.module for cut in cuts) == ("conv1", "bn1", "block1", "block2", "pool")


def test_a_network_that_answers_with_anything_but_a_tensor_has_no_cuts() -> None:
    class Two(Chain):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x), x  # type: ignore[return-value]

    assert found(made(Two)) == ()
