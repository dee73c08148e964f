"""Tracing: the groups of each small network are those found by hand, and slicing them changes nothing else."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from zoo import PRUNABLE, ZOO, Apply, Case, plain, traced

from autoprune.errors import BadInput
from autoprune.features import GroupFeatures, LayerKind
from autoprune.tracing import Traced, trace

every_net = pytest.mark.parametrize("name", ZOO)
every_prunable_net = pytest.mark.parametrize("name", PRUNABLE)


def kept_units(net: Traced, shares: Sequence[float], seed: int) -> list[NDArray[np.int64]]:
    """Random units of each group, at least one, `shares` of them."""
    rng = np.random.default_rng(seed)
    pairs = zip(net.units, shares, strict=False)
    return [np.sort(rng.permutation(n)[: max(1, round(share * n))]) for n, share in pairs]


def with_consumers_blind(model: nn.Module, net: Traced, kept: list[NDArray[np.int64]], x: Tensor) -> Any:
    """The dense answer when every layer that consumes channels is handed zeros in place of the removed ones."""
    modules = dict(model.named_modules())
    handles = []
    for axis in net.axes:
        if not axis.contracted:
            continue
        gone = [
            i for i, (g, u) in enumerate(zip(axis.group, axis.unit, strict=True)) if g >= 0 and u not in kept[int(g)]
        ]
        layer = modules[axis.parameter.rpartition(".")[0]]
        handles.append(layer.register_forward_pre_hook(_blind(layer, gone)))
    try:
        with torch.no_grad():
            return model(x)
    finally:
        for handle in handles:
            handle.remove()


def _blind(layer: nn.Module, gone: list[int]) -> Any:
    """A hook that zeroes the channels `gone` of each convolution group in what the layer reads."""
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1

    def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = args[0].clone()
        axis = -1 if isinstance(layer, nn.Linear) else 1
        width = x.shape[axis] // groups
        places = torch.tensor([g * width + i for g in range(groups) for i in gone], dtype=torch.long)
        return (x.index_fill(axis, places, 0.0), *args[1:])

    return hook


# Which channels hang together.


@every_net
def test_groups_are_those_found_by_hand(name: str) -> None:
    case, _, net = traced(name)
    assert {g.name: (g.width, g.unit, g.layers) for g in net.space.groups} == case.groups
    for group in net.space.groups:
        assert group.widths == tuple(range(group.unit, group.width + 1, group.unit))


@every_net
def test_frozen_channels_are_named_with_the_reason(name: str) -> None:
    case, _, net = traced(name)
    assert {f.name for f in net.space.frozen} == set(case.frozen)
    for frozen in net.space.frozen:
        assert case.frozen[frozen.name] in frozen.reason
        assert frozen.width > 1


# Slicing them.


@every_prunable_net
@settings(max_examples=15, deadline=None)
@given(shares=st.lists(st.floats(0, 1), min_size=12, max_size=12), seed=st.integers(0, 99))
def test_any_slice_answers_like_the_dense_network_without_these_channels(
    name: str, shares: list[float], seed: int
) -> None:
    case, model, net = traced(name)
    kept, x = kept_units(net, shares, seed), case.example()
    with torch.no_grad():
        answer = net.slice(model, kept)(x)
    expected = with_consumers_blind(model, net, kept, x)
    assert answer.shape == expected.shape
    assert float((answer - expected).abs().max()) <= 1e-4 * max(1.0, float(expected.abs().max()))


@every_prunable_net
def test_removing_channels_matters(name: str) -> None:
    """The comparison above could pass if nothing were removed: it does change the answer."""
    case, model, net = traced(name)
    x = case.example()
    half = kept_units(net, [0.5] * len(net.units), seed=0)
    with torch.no_grad():
        assert not torch.allclose(net.slice(model, half)(x), model(x), atol=1e-4)


@every_prunable_net
def test_the_smallest_slice_runs_and_trains(name: str) -> None:
    case, model, net = traced(name)
    small = net.slice(model, kept_units(net, [0.0] * len(net.units), seed=0))
    small(case.example()).square().sum().backward()
    grads = [p.grad for p in small.parameters() if p.requires_grad]
    assert any(g is not None and bool(g.abs().sum() > 0) for g in grads)


@every_prunable_net
def test_keeping_every_unit_changes_nothing(name: str) -> None:
    case, model, net = traced(name)
    same = net.slice(model, [np.arange(n) for n in net.units])
    with torch.no_grad():
        torch.testing.assert_close(same(case.example()), model(case.example()), rtol=0, atol=0)


@every_prunable_net
def test_layers_know_their_new_sizes(name: str) -> None:
    """Each sliced layer could be built anew from its own attributes, and would then have the same shapes."""
    _, model, net = traced(name)
    small = net.slice(model, kept_units(net, [0.5] * len(net.units), seed=0))
    checked = 0
    for layer in small.modules():
        if isinstance(layer, nn.Conv2d):
            kernel = (layer.kernel_size[0], layer.kernel_size[1])
            twin: nn.Module = nn.Conv2d(layer.in_channels, layer.out_channels, kernel, groups=layer.groups)
        elif isinstance(layer, nn.Linear):
            twin = nn.Linear(layer.in_features, layer.out_features)
        elif isinstance(layer, nn.BatchNorm2d):
            twin = nn.BatchNorm2d(layer.num_features)
        elif isinstance(layer, nn.GroupNorm):
            twin = nn.GroupNorm(layer.num_groups, layer.num_channels)
        else:
            continue
        assert isinstance(layer.weight, Tensor)
        assert layer.weight.shape == twin.weight.shape
        checked += 1
    assert checked


# The model itself.


def watched_state(model: nn.Module) -> list[Any]:
    """All that tracing and slicing must leave as it was."""
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    tensors = {name: (id(t), t.detach().clone()) for name, t in [*model.named_parameters(), *model.named_buffers()]}
    sizes = [{k: v for k, v in vars(m).items() if isinstance(v, int)} for m in model.modules()]
    return [hooks, [m.training for m in model.modules()], sizes, tensors]


def assert_same_state(before: list[Any], after: list[Any]) -> None:
    assert before[:-1] == after[:-1]
    for name, (identity, tensor) in before[-1].items():
        assert after[-1][name][0] == identity
        torch.testing.assert_close(after[-1][name][1], tensor, rtol=0, atol=0)


@every_net
def test_neither_tracing_nor_slicing_changes_the_model(name: str) -> None:
    case, model, net = traced(name)
    model = copy.deepcopy(model)
    model.train()
    next(model.children()).eval()  # a part that its owner holds in eval mode, as frozen batch norms are
    before = watched_state(model)
    trace(model, case.example())
    net.slice(model, kept_units(net, [0.5] * len(net.units), seed=0))
    assert_same_state(before, watched_state(model))


def test_a_model_that_fails_is_left_as_it_was() -> None:
    model = ZOO["chain"].model().train()
    before = watched_state(model)
    with pytest.raises(BadInput):
        trace(model, torch.zeros(2, 4, 8, 8))
    assert_same_state(before, watched_state(model))


def test_a_slice_shares_no_memory_with_the_model() -> None:
    case, model, net = traced("residual")
    small = net.slice(model, [np.arange(n) for n in net.units])
    own = {t.data_ptr() for t in [*model.parameters(), *model.buffers()]}
    assert not own & {t.data_ptr() for t in [*small.parameters(), *small.buffers()]}
    assert case.example().shape[0] == 2


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (torch.zeros(3), r"a batch of at least one item, got shape \[3\]"),
        (torch.zeros(0, 3, 8, 8), "a batch of at least one item"),
        (torch.zeros(1, 4, 8, 8), r"does not run on an input of shape \[1, 4, 8, 8\]: .*channels"),
        (torch.full((1, 3, 8, 8), torch.nan), "NaN on the example input"),
    ],
)
def test_an_example_that_does_not_fit_is_refused(example: Tensor, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        trace(ZOO["chain"].model(), example)


def test_whatever_a_models_own_code_raises_is_bad_input() -> None:
    def refuse(x: Tensor) -> Tensor:
        raise AssertionError(f"wrong image size {x.shape[-1]}")

    with pytest.raises(BadInput, match="wrong image size 8"):
        trace(plain(Apply(refuse)), torch.zeros(1, 3, 8, 8))


def test_the_same_model_gives_the_same_trace() -> None:
    case, model, net = traced("channel shuffle")
    again = trace(model, case.example())
    assert again.space == net.space
    assert again.counts == net.counts


# What else is told.


def test_order_and_norms_follow_execution() -> None:
    _, _, net = traced("residual")
    assert net.order == ("stem.0", "a1.0", "a2.0", "down.0", "b1.0", "b2.0", "head.fc")
    assert net.norm_after == {f"{n}.0": f"{n}.1" for n in ("stem", "a1", "a2", "down", "b1", "b2")}


def test_a_norm_behind_a_layer_that_runs_twice_belongs_to_no_single_output() -> None:
    assert traced("shared module")[2].norm_after == {}


def test_consumers_are_told_in_execution_order() -> None:
    _, _, net = traced("dense block")
    assert [net.consumers(g) for g in range(3)] == [
        ("one.0.weight", "two.weight", "head.fc.weight"),
        ("two.weight", "head.fc.weight"),
        ("head.fc.weight",),
    ]


def test_axes_are_found_by_parameter() -> None:
    _, _, net = traced("flattened image")
    axis = net.axis("fc1.weight", 1)
    assert axis is not None
    assert axis.contracted
    assert axis.unit.tolist() == [channel for channel in range(8) for _ in range(16)]
    assert net.axis("fc2.weight", 0) is None


@pytest.mark.parametrize(
    ("name", "group", "features"),
    [
        ("chain", 0, GroupFeatures(LayerKind.CONV, 3, 8, height=8, width=8, stride=1, kernel=3)),
        ("chain", 1, GroupFeatures(LayerKind.CONV, 8, 12, height=4, width=4, stride=2, kernel=3)),
        ("flattened image", 1, GroupFeatures(LayerKind.LINEAR, 128, 10)),
        ("convolution over time", 0, GroupFeatures(LayerKind.CONV, 3, 8, height=12, width=1, kernel=3)),
        ("decoder", 1, GroupFeatures(LayerKind.CONV, 8, 6, height=4, width=4, stride=2, kernel=3)),
    ],
)
def test_features_describe_the_producing_layer(name: str, group: int, features: GroupFeatures) -> None:
    assert traced(name)[2].features[group] == features


def test_a_group_made_from_a_buffer_has_features() -> None:
    """As in Swin V2, where a small network reads a table of coordinates that is no input."""

    class Table(nn.Module):
        table: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.randn(8, 2))
            self.mlp = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 8))

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.mlp(self.table)  # type: ignore[no-any-return]

    torch.manual_seed(0)
    net = trace(Table(), torch.randn(1, 8))
    assert [(g.name, g.width) for g in net.space.groups] == [("mlp.0", 16)]
    assert net.features == (GroupFeatures(LayerKind.LINEAR, 2, 16),)


def test_cases_cover_frozen_and_prunable_networks() -> None:
    assert all(isinstance(case, Case) for case in ZOO.values())
    assert 0 < len(PRUNABLE) < len(ZOO)
