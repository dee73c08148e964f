"""Inference: the same answers as the plain network's, folded or not, on any number of threads."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.errors import BadInput
from autoprune.evaluation.images import Normalisation, PixelSet
from autoprune.evaluation.inference import folded, outputs, torch_threads
from autoprune.models.resnet_cifar import resnet20
from autoprune.tracing import trace


def images(count: int = 150, side: int = 32) -> PixelSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)
    return PixelSet(pixels, torch.arange(count) % 10, Normalisation((0.5,) * 3, (0.25,) * 3))


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    with torch_threads(request.param):
        yield request.param


def lively(model: nn.Module) -> nn.Module:
    """Batch norms with statistics and gains of their own."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                if tensor is not None:
                    tensor.data.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


class Mixed(nn.Module):
    """Convolutions with and without a norm, a depthwise one, a norm before a layer, and a normed linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 6, 3, stride=2, bias=False), nn.BatchNorm2d(6)
        self.depthwise, self.bn_d = nn.Conv2d(6, 6, 3, groups=6), nn.BatchNorm2d(6)
        self.before, self.plain = nn.BatchNorm2d(6), nn.Conv2d(6, 8, 1)
        self.fc, self.bn_fc, self.out = nn.Linear(8, 12), nn.BatchNorm1d(12), nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn_d(self.depthwise(F.relu(self.bn(self.stem(x))))))
        x = F.relu(self.plain(F.relu(self.before(F.max_pool2d(x, 2))))).mean((2, 3))
        logits: Tensor = self.out(F.relu(self.bn_fc(self.fc(x))))
        return logits


@pytest.mark.parametrize("make", [resnet20, Mixed])
def test_a_folded_network_answers_as_it_did_and_has_fewer_norms(make: type[nn.Module], threads: int) -> None:
    model, data = lively(make()), images()
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        expected = model(data.batch(torch.arange(len(data)))[0])
    norms = trace(model, data.batch(torch.arange(1))[0]).norm_after
    ready = folded(model, norms)
    answers, targets = outputs(ready, data)
    torch.testing.assert_close(answers, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(targets, data.targets)
    assert torch.get_num_threads() == threads

    def count(network: nn.Module) -> int:
        return sum(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in network.modules())

    assert count(model) - count(ready) == len(norms) >= 3
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_answers_do_not_depend_on_the_threads() -> None:
    model, data = lively(resnet20()), images()
    found = []
    for threads in (1, 2):
        with torch_threads(threads):
            found.append(outputs(model, data)[0])
    assert torch.equal(*found)


class Remembering(nn.Module):
    """Keeps what it is given in an attribute, as users' networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(4), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = self.pool(x).flatten(1)
        for _ in range(20):  # time enough for another thread to come between
            torch.mm(torch.ones(64, 64), torch.ones(64, 64))
        logits: Tensor = self.fc(self.seen)
        return logits


def test_threads_do_not_see_what_a_network_remembers_in_another() -> None:
    model, data = Remembering().eval(), images(400)
    with torch.no_grad():
        expected = model(data.batch(torch.arange(len(data)))[0])
    with torch_threads(2):
        for _ in range(5):
            torch.testing.assert_close(outputs(model, data, batch=4)[0], expected)


@pytest.mark.parametrize("answer", [(torch.ones(1, 10),), None, 3.0])
def test_a_network_that_answers_with_anything_else_is_refused(answer: object, threads: int) -> None:  # noqa: ARG001
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> object:  # noqa: ARG002
            return answer

    with pytest.raises(BadInput, match="must answer with one tensor"):
        outputs(Odd(), images())
