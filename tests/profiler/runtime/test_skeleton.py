from __future__ import annotations

import functools

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from small_networks import CPU, small_model
from tiny import TinyNet
from torch import nn

from autoprune.copies.family import skeleton_of
from autoprune.copies.networks import export_model
from autoprune.profiler.runtime.executed import observe
from autoprune.profiler.runtime.protobuf import read_nodes
from autoprune.profiler.runtime.session import Session
from autoprune.profiler.runtime.skeleton import Skeleton, Weight


class Deep(nn.Module):
    """Forty normalised convolutions one after another, as deep as a network is whose signals may vanish or explode."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(40)]
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 1), *layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(x).mean((2, 3))
        return logits


@functools.cache
def exports() -> dict[str, onnx.ModelProto]:
    return {
        "small": small_model(12, 24),
        "tiny": export_model(TinyNet(), torch.zeros(1, 1, 8, 8)),
        "deep": export_model(Deep(), torch.zeros(1, 3, 8, 8)),
    }


NAMES = ["small", "tiny", "deep"]


@pytest.mark.parametrize("name", NAMES)
def test_a_filled_skeleton_is_built_and_executed_as_the_export_is(name: str) -> None:
    export = exports()[name]
    filled = skeleton_of(export).filled()
    assert read_nodes(filled) == read_nodes(export.SerializeToString())
    made, meant = onnx.load_from_string(filled), export
    assert {i.name: (i.data_type, list(i.dims)) for i in made.graph.initializer} == {
        i.name: (i.data_type, list(i.dims)) for i in meant.graph.initializer
    }
    assert observe(filled, CPU).kernels == observe(export.SerializeToString(), CPU).kernels
    onnx.checker.check_model(made, full_check=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_not_in_the_skeleton(name: str) -> None:
    export = exports()[name]
    skeleton = skeleton_of(export)
    numbers = sum(int(np.prod(weight.shape)) for weight in skeleton.weights)
    assert numbers > 100
    assert len(skeleton.model) <= len(export.SerializeToString()) - 4 * numbers


@pytest.mark.parametrize("name", NAMES)
def test_signals_stay_ordinary_numbers(name: str) -> None:
    """No NaN, nothing infinite, and nothing so small that the processor computes it slowly."""
    answers = Session(skeleton_of(exports()[name]).filled(), CPU).run()
    for answer in answers:
        assert np.isfinite(answer).all()
        assert np.abs(answer).max() < 1e30
        assert (np.abs(answer[answer != 0]) > np.finfo(np.float32).tiny).all()


def test_the_same_skeleton_gives_the_same_bytes() -> None:
    skeleton = skeleton_of(exports()["small"])
    assert skeleton.filled() == skeleton.filled() == Skeleton(skeleton.model, skeleton.weights).filled()


def drawn(weights: list[Weight]) -> list[np.ndarray]:
    empty = bytes(helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString())
    filled = onnx.load_from_string(Skeleton(empty, tuple(weights)).filled())
    assert [i.name for i in filled.graph.initializer] == [weight.name for weight in weights]
    return [numpy_helper.to_array(i) for i in filled.graph.initializer]


KINDS = {1: np.float32, 10: np.float16, 11: np.float64}


@given(st.lists(st.tuples(st.sampled_from(list(KINDS)), st.lists(st.integers(0, 6), max_size=4)), max_size=5))
def test_weights_have_their_shape_and_type_and_are_finite(wanted: list[tuple[int, list[int]]]) -> None:
    weights = [Weight(f"w{i}", kind, tuple(shape)) for i, (kind, shape) in enumerate(wanted)]
    for array, (kind, shape) in zip(drawn(weights), wanted, strict=True):
        assert array.shape == tuple(shape)
        assert array.dtype == KINDS[kind]
        assert np.isfinite(array).all()


@given(st.integers(0, 5000), st.sampled_from(list(KINDS)))
def test_vectors_can_be_variances(length: int, kind: int) -> None:
    [vector] = drawn([Weight("variance", kind, (length,))])
    assert ((vector >= 0.5) & (vector <= 1)).all()


def test_filters_keep_signals_alive_and_none_repeats_another() -> None:
    one, two = drawn([Weight("one", 1, (64, 32, 3, 3)), Weight("two", 1, (64, 32, 3, 3))])
    for filters in (one, two):
        assert filters.std() == pytest.approx(np.sqrt(2 / (32 * 9)), rel=0.05)
        assert filters.mean() == pytest.approx(0, abs=0.002)
    assert (one != two).mean() > 0.99


def test_normalisation_with_drawn_statistics_divides_by_no_negative_variance() -> None:
    names = ["scale", "bias", "mean", "variance"]
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 16, 4, 4]) for name in ("x", "y")]
    node = helper.make_node("BatchNormalization", ["x", *names], ["y"], "norm")
    graph = helper.make_graph([node], "normal", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    skeleton = Skeleton(bytes(model.SerializeToString()), tuple(Weight(name, 1, (16,)) for name in names))
    [answer] = Session(skeleton.filled(), CPU).run()
    assert np.isfinite(answer).all()
    assert 0.1 < np.abs(answer).mean() < 10
