"""Calibration statistics: mean and covariance of what arrives at a layer, as numpy computes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pruned_nets import images, network
from torch import nn

from autoprune.pruning.statistics import Moments, gather


def test_moments_are_those_of_the_rows_that_arrive() -> None:
    """Of the second convolution: patches of the first one's positive outputs, over several batches."""
    model = network("bare")
    with torch.no_grad():
        arriving = F.unfold(F.relu(model[0](images())), 3).transpose(1, 2).reshape(-1, 72)  # type: ignore[index]
    found = gather(model, ["2"], images(), batch=100)["2"]
    rows = arriving.double().numpy()
    assert found.n == len(rows)
    np.testing.assert_allclose(found.mean.numpy(), rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.covariance.numpy(), np.cov(rows.T, bias=True), atol=1e-5)


def test_a_layer_that_runs_twice_counts_both_inputs() -> None:
    found = gather(network("shared"), ["shared"], images())["shared"]
    assert found.n == 2 * 256 * 64


def test_a_layer_that_never_runs_has_none() -> None:
    model = nn.ModuleDict({"used": nn.Linear(4, 4), "idle": nn.Linear(4, 4)})
    model.forward = lambda x: model["used"](x)
    assert list(gather(model, ["used", "idle"], torch.randn(8, 4))) == ["used"]


def test_hooks_are_gone_even_when_the_model_fails() -> None:
    model = network("bare")
    with pytest.raises(RuntimeError):
        gather(model, ["2"], torch.zeros(4, 7, 8, 8))
    assert not any(m._forward_hooks for m in model.modules())


def test_damping_makes_any_covariance_invertible() -> None:
    flat = Moments(torch.zeros(3).double(), torch.ones(3, 3).double(), n=1)
    dead = Moments(torch.zeros(3).double(), torch.zeros(3, 3).double(), n=1)
    for moments in (flat, dead):
        assert float(torch.linalg.eigvalsh(moments.damped()).min()) > 0
