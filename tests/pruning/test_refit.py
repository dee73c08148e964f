"""The refit: numpy's least squares with an intercept, and a place for the offset."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autoprune.pruning.refit import System, running_mean, set_offset
from autoprune.pruning.statistics import DAMPING, Moments


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), features=st.integers(2, 8), kept=st.integers(1, 7))
def test_it_is_least_squares_with_an_intercept(seed: int, features: int, kept: int) -> None:
    """The damping is that of as many more rows, on which every input is alone: numpy gets them too."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, features)) @ rng.normal(size=(features, features)) + rng.normal(size=features)
    weight, stay = rng.normal(size=(features, 3)), np.sort(rng.permutation(features)[: min(kept, features - 1)])
    covariance = np.cov(x.T, bias=True).reshape(features, features)
    moments = Moments(torch.from_numpy(x.mean(0)), torch.from_numpy(covariance), len(x))
    fitted, offset = System.of(moments, torch.from_numpy(weight)).refit(torch.from_numpy(stay))

    ridge = DAMPING * np.trace(covariance) / features + 1e-10
    more = np.sqrt(ridge * len(x)) * np.eye(features)
    inputs = np.vstack(
        [np.column_stack([x[:, stay], np.ones(len(x))]), np.column_stack([more[:, stay], np.zeros(features)])]
    )
    expected, *_ = np.linalg.lstsq(inputs, np.vstack([x @ weight, more @ weight]), rcond=None)
    np.testing.assert_allclose(fitted.numpy(), expected[:-1], atol=1e-7)
    np.testing.assert_allclose(offset.numpy(), expected[-1], atol=1e-6)


def test_keeping_everything_gives_the_weight_back() -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(50, 4)), torch.from_numpy(rng.normal(size=(4, 3)))
    moments = Moments(torch.from_numpy(x.mean(0)), torch.from_numpy(np.cov(x.T, bias=True)), 50)
    fitted, offset = System.of(moments, weight).refit(torch.arange(4))
    torch.testing.assert_close(fitted, weight)
    assert float(offset.abs().max()) < 1e-12


def norm_of(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels).eval()
    assert norm.running_mean is not None
    norm.running_mean.normal_(generator=torch.Generator().manual_seed(0))
    return norm


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("normed", [True, False])
def test_the_offset_arrives_whatever_place_there_is_for_it(bias: bool, normed: bool) -> None:
    """Behind the layer and its norm, the answer is that of a layer with bias `offset` before the dense norm."""
    torch.manual_seed(0)
    layer, offset = nn.Conv2d(3, 4, 1, bias=bias), torch.randn(4)
    norm = norm_of(4) if normed else None
    after: nn.Module = norm_of(4) if normed else nn.Identity()
    x = torch.randn(2, 3, 5, 5)
    with torch.no_grad():
        expected = after(torch.nn.functional.conv2d(x, layer.weight, offset))
        set_offset(layer, norm, None if norm is None else running_mean(nn.Sequential(norm), "0"), offset)
        answer = layer(x) if norm is None else norm(layer(x))
    torch.testing.assert_close(answer, expected)
    assert (layer.bias is None) == (normed and not bias)


def test_a_norm_that_keeps_no_mean_leaves_the_offset_to_a_bias() -> None:
    layer, offset = nn.Linear(3, 4, bias=False), torch.randn(4)
    norm = nn.BatchNorm1d(4, track_running_stats=False)
    assert running_mean(nn.Sequential(norm), "0") is None
    set_offset(layer, norm, None, offset)
    torch.testing.assert_close(layer.bias.detach(), offset)
