"""Evidence made of random numbers, and of small networks with a channel that is dead or there twice."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from autoprune.criteria.criterion import criteria, needs_of
from autoprune.criteria.evidence import Consumer, Curvature, Evidence, Gradients, Reader, Weight
from autoprune.pruning import Pruner
from autoprune.tracing import trace

UNITS, IMAGES, CLASSES = 8, 96, 4
DEAD, TWINS = 3, (2, 5)


def random_evidence(seed: int = 0, units: int = UNITS) -> Evidence:
    """Two layers make the units and one reads them with two features each; numbers agree with nothing."""
    g = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    made, features = (draw(units, 6), draw(units, 9)), 2 * units
    x = draw(300, features) @ draw(features, features)
    consumer = Consumer(x.T @ x / 300, draw(features, 5), torch.arange(features).view(units, 2))
    values = torch.relu(draw(IMAGES, 3, units)).float()
    return Evidence(
        group="group",
        units=units,
        seed=seed,
        weights=(Weight("a", made[0], True), Weight("b", made[1], True), Weight("c", draw(units, 10), False)),
        read_by=("c",),
        scales=(draw(units, 1), draw(units, 1)),
        consumers=(consumer,),
        readers=(Reader(values, draw(units, 10)),),
        labels=torch.randint(0, CLASSES, (IMAGES,), generator=g),
        gradients=Gradients(draw(IMAGES, units), (draw(units, 6), draw(units, 9)), (draw(features, 5),)),
        curvature=Curvature(draw(units), (draw(units, 6), draw(units, 9))),
        movement=(draw(units, 6), draw(units, 9)),
    )


def renamed(evidence: Evidence, names: list[int]) -> Evidence:
    """The same with unit names[i] called i."""
    gradients, curvature = evidence.gradients, evidence.curvature
    assert gradients is not None
    assert curvature is not None
    return replace(
        evidence,
        weights=tuple(replace(weight, matrix=weight.matrix[names]) for weight in evidence.weights),
        scales=tuple(scale[names] for scale in evidence.scales),
        consumers=tuple(replace(consumer, rows=consumer.rows[names]) for consumer in evidence.consumers),
        readers=tuple(Reader(r.values[:, :, names], r.weight[names]) for r in evidence.readers or ()),
        gradients=Gradients(gradients.gates[:, names], tuple(own[names] for own in gradients.made), gradients.read),
        curvature=Curvature(curvature.gates[names], tuple(own[names] for own in curvature.made)),
        movement=tuple(own[names] for own in evidence.movement or ()),
    )


def images(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images [96, 3, 6, 6] of four classes, each with a mean of its own, and the classes."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (IMAGES,), generator=g)
    means = torch.randn(CLASSES, 3, 6, 6, generator=g)
    return means[labels] + 0.5 * torch.randn(IMAGES, 3, 6, 6, generator=g), labels


class Plain(nn.Module):
    """A convolution with its batch norm whose channels another one reads, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn = nn.Conv2d(3, UNITS, 3, padding=1, bias=False), nn.BatchNorm2d(UNITS)
        self.conv2, self.head = nn.Conv2d(UNITS, 6, 3), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv2(torch.relu(self.bn(self.conv1(x)))))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def plain() -> Plain:
    """A seeded network whose norm holds the statistics of the images, trained for a few steps."""
    torch.manual_seed(1)
    model = Plain()
    x, labels = images()
    descent = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(20):
        descent.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()  # type: ignore[no-untyped-call]
        descent.step()
    return model.eval()


def with_dead_channel() -> nn.Module:
    """Channel DEAD of the first convolution is zero going in, in its norm, and coming out."""
    model = plain()
    with torch.no_grad():
        for tensor in (model.conv1.weight, model.bn.weight, model.bn.bias, model.conv2.weight.transpose(0, 1)):
            tensor[DEAD] = 0
    return model


def with_twins() -> nn.Module:
    """The first convolution makes one channel twice."""
    model = plain()
    one, other = TWINS
    with torch.no_grad():
        for tensor in (model.conv1.weight, model.bn.weight, model.bn.bias, model.bn.running_mean, model.bn.running_var):
            assert tensor is not None
            tensor[other] = tensor[one]
    return model


def evidence_of(model: nn.Module, inputs: Tensor, labels: Tensor, seed: int = 0) -> tuple[Evidence, ...]:
    """All that any criterion needs, of every group."""
    pruner = Pruner(model, trace(model, inputs[:1]), inputs, labels=labels, seed=seed)
    return pruner.evidence(needs_of(list(criteria().values())))


@cache
def first_group(kind: str) -> Evidence:
    """Evidence of the first convolution's channels, gathered once: `dead`, `twins` or `plain`."""
    made = {"dead": with_dead_channel, "twins": with_twins, "plain": plain}
    return evidence_of(made[kind](), *images())[0]
