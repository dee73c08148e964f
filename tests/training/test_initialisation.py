from __future__ import annotations

import math

import torch
from torch import nn

from autoprune.models import fingerprint
from autoprune.training.initialisation import initialised


def test_weights_are_drawn_anew_from_the_seed_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.Flatten(), nn.Linear(64, 10))
    nn.init.constant_(model.get_parameter("1.weight"), 5.0)
    before, state = fingerprint(model), torch.get_rng_state()
    first, again, other = (initialised(model, seed) for seed in (1, 1, 2))
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
    assert fingerprint(model) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert first.get_parameter("1.weight").eq(1).all()
    assert abs(float(first.get_parameter("0.weight").std()) / math.sqrt(2 / 27) - 1) < 0.1
