"""The weights that read a unit: gates on them are gates on the channel, whatever lies between."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from autoprune.tracing import trace
from autoprune.tracing.slicing import unit_masks, zero_consumers
from autoprune.tracing.trace import Traced
from autoprune.training.channels import Channels


class Small(nn.Module):
    """Three convolutions with norms, the last added to a shortcut, and a linear layer that reads 2x2 maps."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.inner, self.inner_norm = nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.outer, self.outer_norm = nn.Conv2d(6, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem_norm(self.stem(x)))
        x = x + self.outer_norm(self.outer(torch.relu(self.inner_norm(self.inner(x)))))
        logits: Tensor = self.head(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))
        return logits


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture
def traced(network: nn.Module) -> Traced:
    return trace(network, torch.randn(1, 1, 8, 8))


def test_closed_gates_answer_as_the_network_that_reads_zeros(network: nn.Module, traced: Traced) -> None:
    kept = [np.array([0, 2]), np.array([1, 2, 5])]
    masks = unit_masks(traced.units, kept)
    gates = [torch.from_numpy(mask).float() for mask in masks]
    x = torch.randn(3, 1, 8, 8)
    wanted = zero_consumers(network, traced.axes, masks)(x)
    torch.testing.assert_close(functional_call(network, Channels(traced).gated(network, gates), (x,)), wanted)


def test_a_gate_has_the_gradient_of_its_channel(network: nn.Module, traced: Traced) -> None:
    """Against finite differences of the loss, one gate after the other."""
    network, channels, x = network.double(), Channels(traced), torch.randn(3, 1, 8, 8, dtype=torch.float64)
    gates = [torch.ones(units, dtype=torch.float64, requires_grad=True) for units in traced.units]

    def loss(values: list[Tensor]) -> Tensor:
        answers: Tensor = functional_call(network, channels.gated(network, values), (x,))
        return answers.square().sum()

    assert torch.autograd.gradcheck(lambda *values: loss(list(values)), gates, fast_mode=True)


def test_norms_are_those_of_what_reads_each_unit(network: nn.Module, traced: Traced) -> None:
    channels = Channels(traced)
    stem, inner = (own.detach() for own in channels.norms(network))
    for unit in range(4):
        read = [
            network.get_parameter("inner.weight")[:, unit],
            network.get_parameter("head.weight")[:, 4 * unit :][:, :4],
        ]
        length = torch.cat([w.detach().flatten() for w in read]).norm()
        assert float(stem[unit]) == pytest.approx(float(length), rel=1e-5)
    for unit in range(6):
        assert float(inner[unit]) == pytest.approx(
            float(network.get_parameter("outer.weight").detach()[:, unit].norm()), rel=1e-5
        )
    counts = [own.tolist() for own in channels.counts(network)]
    assert counts == [[6 * 9 + 3 * 4] * 4, [4 * 9] * 6]


def test_scales_are_the_mean_gammas_of_the_norms_behind(network: nn.Module, traced: Traced) -> None:
    for name, gamma in (("stem_norm", 1.0), ("outer_norm", -3.0), ("inner_norm", 0.5)):
        nn.init.constant_(network.get_parameter(f"{name}.weight"), gamma)
    stem, inner = Channels(traced).scales(network)
    assert stem.tolist() == [2.0] * 4
    assert inner.tolist() == [0.5] * 6
