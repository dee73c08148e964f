"""Courses: networks answer as they do alone, bit by bit, and what they share is computed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from beginnings import Chain, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from autoprune.evaluation.images import Normalisation, PixelSet
from autoprune.evaluation.inference import folded, outputs, torch_threads
from autoprune.evaluation.prefixes import Prefixes
from autoprune.models.resnet_cifar import resnet20
from autoprune.pruning import Pruner
from autoprune.space import Policy
from autoprune.tracing import trace

BATCH = 4


class Pictures:
    """Images for a `Chain`: two full batches and a half."""

    inputs = pictures(10)

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        return self.inputs[indices], indices % 5


def chain(*changed: str) -> nn.Module:
    """The same network every time, but for the layers that are `changed`."""
    torch.manual_seed(0)
    network = Chain().eval()
    for name in changed:
        with torch.no_grad():
            for parameter in network.get_submodule(name).parameters():
                parameter.add_(1)
    return network


Convolutions = Callable[[Prefixes, nn.Module], int]


@pytest.fixture
def convolutions(monkeypatch: pytest.MonkeyPatch) -> Convolutions:
    """How many convolutions compute where a network passes over the images, all batches together."""
    ran = []
    forward = nn.Conv2d.forward

    def counting(self: nn.Conv2d, x: Tensor) -> Tensor:
        ran.append(x.device.type)
        return forward(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", counting)

    def count(prefixes: Prefixes, network: nn.Module, part: slice = slice(None)) -> int:
        course = prefixes.course(network)
        ran.clear()
        answers, _ = outputs(course, Pictures(), BATCH, part=part)
        computed = ran.count("cpu")
        assert torch.equal(answers, outputs(network, Pictures(), BATCH, part=part)[0])
        return computed

    return count


def test_what_comes_for_the_third_time_is_not_computed(convolutions: Convolutions) -> None:
    """The first time nobody knows that it will come again, the second time it is kept; three batches each."""
    prefixes = Prefixes(Pictures())
    assert convolutions(prefixes, chain()) == 9
    assert convolutions(prefixes, chain("c")) == 9
    assert convolutions(prefixes, chain("head.fc")) == 3
    assert convolutions(prefixes, chain()) == 0
    assert convolutions(prefixes, chain("b")) == 6
    assert convolutions(prefixes, chain("a")) == 9


def test_networks_that_share_nothing_are_not_kept(convolutions: Convolutions) -> None:
    prefixes = Prefixes(Pictures())
    for shift in range(5):
        network = chain()
        with torch.no_grad():
            network.get_parameter("a.weight").add_(shift)
        assert convolutions(prefixes, network) == 9
    assert not prefixes.course(chain("a")).shared


def test_no_bytes_keep_nothing(convolutions: Convolutions) -> None:
    prefixes = Prefixes(Pictures(), most_bytes=0)
    assert [convolutions(prefixes, chain()) for _ in range(3)] == [9, 9, 9]


def test_few_bytes_keep_the_first_batches(convolutions: Convolutions) -> None:
    """Of the cuts the one after the first convolution is left, and one batch fits."""
    prefixes = Prefixes(Pictures(), most_bytes=4 * 36 * 4 * BATCH)
    assert [convolutions(prefixes, chain()) for _ in range(4)] == [9, 9, 8, 8]


def test_a_course_may_be_run_in_parts() -> None:
    """It counts as one time, however often it is run."""
    prefixes, images = Prefixes(Pictures()), Pictures()
    expected, _ = outputs(chain(), images, BATCH)
    for _ in range(4):
        course = prefixes.course(chain())
        first, second = (outputs(course, images, BATCH, part=p)[0] for p in (slice(4), slice(4, None)))
        assert torch.equal(torch.cat([first, second]), expected)
    course = prefixes.course(chain("head.fc"))
    assert len(course.shared) == 3
    outputs(course, images, BATCH)


def test_a_network_of_other_modules_has_cuts_of_its_own(convolutions: Convolutions) -> None:
    class Longer(Chain):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(self.a(x)[:, :3])

    def longer() -> nn.Module:
        torch.manual_seed(0)
        return Longer().eval()

    prefixes = Prefixes(Pictures())
    for _ in range(3):
        prefixes.course(chain())
    assert not prefixes.course(longer()).shared
    assert [convolutions(prefixes, longer()) for _ in range(2)] == [12, 0]


def test_too_few_images_to_prove_a_cut_on() -> None:
    class Four(Pictures):
        inputs = pictures(4)

    prefixes = Prefixes(Four())
    assert not [prefixes.course(chain()).shared for _ in range(3)][-1]


@cache
def small_resnet() -> tuple[Pruner, PixelSet]:
    """A residual network whose streams are groups as well, and a few small images."""
    torch.manual_seed(0)
    model = resnet20().eval()
    pixels = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = PixelSet(pixels, torch.arange(20) % 10, Normalisation((0.5,) * 3, (0.25,) * 3))
    inputs, _ = images.batch(torch.arange(20))
    return Pruner(model, trace(model, inputs[:1]), inputs), images


@st.composite
def searches(draw: st.DrawFn) -> list[Policy]:
    """Policies as searches ask for them: most differ in one group from one that was asked for before."""
    space = small_resnet()[0].traced.space
    asked = [space.policy([0.5] * len(space))]
    for _ in range(draw(st.integers(2, 5))):
        widths = list(draw(st.sampled_from(asked)).widths)
        for group in draw(st.lists(st.integers(0, len(space) - 1), max_size=2)):
            widths[group] = draw(st.integers(1, space.groups[group].width))
        asked.append(Policy(tuple(widths)))
    return asked


@settings(max_examples=15, deadline=None)
@given(asked=searches(), threads=st.integers(1, 3), kib=st.sampled_from([0, 40, 200, 2**20]), fold=st.booleans())
def test_pruned_networks_answer_bit_by_bit_as_they_do_alone(
    asked: list[Policy], threads: int, kib: int, fold: bool
) -> None:
    """Folded or not, padded shortcuts and all, on any number of threads, with any amount of memory."""
    pruner, images = small_resnet()
    prefixes = Prefixes(images, kib * 1024)
    with torch_threads(threads):
        for policy in asked:
            network = pruner.slice(policy)
            ready = folded(network, pruner.traced.norm_after) if fold else network
            for part in (slice(8), slice(8, None)):
                course = prefixes.course(ready)
                assert torch.equal(
                    outputs(course, images, BATCH, part=part)[0],
                    outputs(ready, images, BATCH, part=part)[0],
                )
