"""Layers as matrix products: rows of inputs times the weight matrix are the rows of outputs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autoprune.pruning.features import (
    enough_rows,
    input_rows,
    is_linear_map,
    output_rows,
    pick_positions,
    positions,
    taps,
    weight_matrix,
)

sides = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=60, deadline=None)
@given(
    kernel=sides,
    stride=sides,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=sides,
    picked=st.booleans(),
)
def test_rows_times_the_weight_are_what_a_convolution_answers(
    kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int], picked: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(3, 5, kernel, stride, padding, dilation)
    x = torch.randn(4, 3, 9, 8, generator=generator)
    with torch.no_grad():
        y = layer(x)
        pick = torch.randperm(positions(layer, y), generator=generator)[:3] if picked else None
        rows, expected = input_rows(layer, x, pick), output_rows(layer, y, pick)
        assert rows.shape == (len(expected), 3 * taps(layer))
        assert layer.bias is not None
        answer = rows.double() @ weight_matrix(layer) + layer.bias
    torch.testing.assert_close(answer, expected.double(), atol=1e-5, rtol=1e-5)


def test_rows_times_the_weight_are_what_a_linear_layer_answers() -> None:
    layer, x = nn.Linear(6, 4), torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = layer(x)
        answer = input_rows(layer, x).double() @ weight_matrix(layer) + layer.bias
    assert (taps(layer), positions(layer, y)) == (1, 1)
    torch.testing.assert_close(answer, output_rows(layer, y).double(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("layer", "linear"),
    [
        (nn.Conv2d(4, 4, 3), True),
        (nn.Linear(4, 4), True),
        (nn.Conv2d(4, 4, 3, groups=2), False),
        (nn.Conv2d(4, 4, 3, padding="same"), False),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), False),
        (nn.ConvTranspose2d(4, 4, 3), False),
        (nn.Conv1d(4, 4, 3), False),
        (nn.Linear(10_000, 2), False),
        (nn.BatchNorm2d(4), False),
    ],
)
def test_only_what_is_one_matrix_of_bearable_size_is_refitted(layer: nn.Module, linear: bool) -> None:
    assert is_linear_map(layer) is linear


@given(st.integers(1, 100), st.integers(1, 400), st.integers(1, 5000), st.integers(0, 9))
def test_positions_are_distinct_ascending_and_enough(images: int, count: int, rows: int, seed: int) -> None:
    pick = pick_positions(images, count, rows, seed)
    if pick is None:
        assert images * (count - 1) < rows
        return
    assert rows <= images * len(pick) < rows + images
    assert bool((pick.diff() > 0).all())
    assert 0 <= int(pick[0]) <= int(pick[-1]) < count
    again = pick_positions(images, count, rows, seed)
    assert again is not None
    assert torch.equal(pick, again)


@given(st.integers(1, 8192), st.integers(1, 100_000))
def test_a_fit_has_more_rows_than_unknowns(features: int, wanted: int) -> None:
    assert enough_rows(features, wanted) >= 8 * features
