"""Costs: counts by hand, batches against single policies, latency against the sum over kernels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import SIZES, WIDTHS, toy_cost, toy_space

from autoprune.cost import Cost, CostModel, CountPlan, Extent, Kernel, Measurement, Metric, Volume
from autoprune.errors import BadInput, UnknownKernel
from autoprune.latency import KernelNode, LatencyModel
from autoprune.space import ChannelGroup, Policy, SearchSpace

COST = toy_cost()
policies = st.tuples(*(st.sampled_from(g.widths) for g in toy_space().groups))


# Counting.


@given(policies)
def test_counts_are_those_of_the_chain(widths: tuple[int, ...]) -> None:
    """Five 3x3 convolutions from 3 input channels and a linear layer to 10 classes, written out."""
    ins, outs = (3, *widths[:-1]), widths
    weights = [9 * i * o for i, o in zip(ins, outs, strict=True)]
    cost = COST.cost(Policy(widths))
    assert cost.params == sum(weights) + 10 * outs[-1]
    assert cost.macs == sum(w * size**2 for w, size in zip(weights, SIZES, strict=True)) + 10 * outs[-1]
    alive = [4 * o * size**2 for o, size in zip(outs, SIZES, strict=True)]
    assert cost.peak_memory_bytes == max(a + b for a, b in itertools.pairwise(alive))


@given(st.lists(policies, min_size=0, max_size=20))
def test_a_batch_costs_what_its_policies_cost_one_by_one(many: list[tuple[int, ...]]) -> None:
    batch = COST.costs(np.array(many, dtype=np.int64).reshape(-1, len(WIDTHS)))
    assert set(batch) == set(COST.metrics)
    for metric, costs in batch.items():
        assert costs.tolist() == pytest.approx([COST.cost(Policy(w)).of(metric) for w in many], rel=1e-12)


def test_more_policies_than_a_block_cost_the_same() -> None:
    rng = np.random.default_rng(0)
    many = np.stack([rng.choice(g.widths, 1300) for g in toy_space().groups], axis=1)
    whole, parts = COST.costs(many), [COST.costs(part) for part in np.array_split(many, 7)]
    for metric in COST.metrics:
        np.testing.assert_array_equal(whole[metric], np.concatenate([part[metric] for part in parts]))


@given(policies, policies)
def test_a_wider_network_never_costs_less(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    wide, narrow = np.maximum(a, b), np.minimum(a, b)
    more, less = COST.costs(wide[None]), COST.costs(narrow[None])
    for metric in COST.metrics:
        assert more[metric][0] >= less[metric][0]


def test_only_the_metrics_asked_for_are_computed() -> None:
    assert list(COST.costs(np.array([WIDTHS]), [Metric.PARAMS])) == [Metric.PARAMS]


@pytest.mark.parametrize("shape", [(5,), (2, 4)])
def test_widths_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"expected widths of shape \[n, 5\], got"):
        COST.costs(np.ones(shape, dtype=np.int64))


def test_what_is_not_known_is_none_and_never_nothing() -> None:
    cost = CostModel(toy_space(), COST.plan).cost(toy_space().dense())
    assert (cost.latency_ms, cost.energy_mj) == (None, None)
    for metric in (Metric.LATENCY, Metric.ENERGY):
        with pytest.raises(BadInput, match=f"{metric} is not known.*autoprune profile"):
            cost.of(metric)


def test_a_metric_without_a_table_is_refused_in_batches_too() -> None:
    with pytest.raises(BadInput, match=r"energy is not known.*autoprune profile"):
        COST.costs(np.array([WIDTHS]), [Metric.ENERGY])


def test_each_metric_reads_its_own_field() -> None:
    cost = Cost(macs=1, params=2, peak_memory_bytes=3, latency_ms=4, energy_mj=5)
    order = (Metric.MACS, Metric.PARAMS, Metric.MEMORY, Metric.LATENCY, Metric.ENERGY)
    assert [cost.of(metric) for metric in order] == [1, 2, 3, 4, 5]


def test_groups_count_in_units() -> None:
    """Three channels go at once: the extent has two positions a unit, so a third of the channels times two."""
    space = SearchSpace((ChannelGroup("a", 12, (3, 6, 12), ("a",), unit=3),))
    plan = CountPlan((Volume("a", 5, (Extent(7, ((0, 2),)), Extent(3))),), (), (), ())
    assert CostModel(space, plan).cost(Policy((6,))).macs == 5 * (7 + 2 * 2) * 3


def test_the_peak_is_the_fullest_step() -> None:
    space = SearchSpace((ChannelGroup("a", 8, tuple(range(1, 9)), ("a",)),))
    grows, stays = Volume("a", 4, (Extent(0, ((0, 1),)),)), Volume("b", 1, (Extent(20),))
    plan = CountPlan((), (), (grows, stays), live=((0,), (1,), (0,)))
    peaks = CostModel(space, plan).costs(np.arange(1, 9)[:, None])[Metric.MEMORY]
    assert peaks.tolist() == [max(4 * width, 20) for width in range(1, 9)]


# Latency.

SPACE = SearchSpace(
    (
        ChannelGroup("a", 8, (2, 4, 8), ("a",)),
        ChannelGroup("b", 12, (3, 6, 12), ("b",), unit=3),
        ChannelGroup("c", 10, (5, 10), ("c",)),
    )
)
A, B, C = (Extent(0, ((group, 1),)) for group in range(3))
NODES = (
    KernelNode("stem", "Conv", ((Extent(3), Extent(16)),), ((Extent(4), Extent(16)),)),
    KernelNode("one", "Conv", ((Extent(3),),), ((A,),)),
    KernelNode("two", "Conv", ((A,),), ((B,),)),
    KernelNode("twin", "Conv", ((A,),), ((B,),)),
    KernelNode("backwards", "Gemm", ((C,),), ((Extent(1, ((1, 2),)),),)),
    KernelNode("three", "Concat", ((A,), (B,), (C,)), ((Extent(0, ((0, 1), (1, 1), (2, 1))),),)),
)
GRID = np.array(list(itertools.product(*(g.widths for g in SPACE.groups))))
UNITS = GRID // np.array([g.unit for g in SPACE.groups])


def kernel_ms(kernel: Kernel) -> float:
    """A time that no two different kernels here share."""
    numbers = [math.prod(shape) for shape in kernel.inputs + kernel.outputs]
    return len(kernel.op) + sum(n * 1.7**i for i, n in enumerate(numbers))


def test_latency_is_the_sum_over_all_kernels_of_every_policy() -> None:
    """Nodes on none, one, two and three groups, with repeated and reversed ones, against brute force."""
    model = LatencyModel(SPACE, NODES, kernel_ms, scale=1.25, constant_ms=0.5)
    expected = [0.5 + 1.25 * sum(kernel_ms(n.kernel(row.tolist())) for n in NODES) for row in UNITS]
    assert model(GRID).tolist() == pytest.approx(expected, rel=1e-12)


def test_a_node_knows_its_groups_and_its_kernel() -> None:
    assert [node.groups() for node in NODES] == [(), (0,), (0, 1), (0, 1), (1, 2), (0, 1, 2)]
    kernel = NODES[4].kernel([2, 4, 5])
    assert kernel == Kernel("Gemm", ((5,),), ((9,),))
    assert str(NODES[0].kernel([2, 1, 5])) == "Conv(3x16)"


@pytest.mark.parametrize("missing", [node.name for node in NODES[1:]])
def test_a_kernel_without_a_row_raises_and_never_counts_as_nothing(missing: str) -> None:
    """Only the policies that execute the missing kernel raise; the rest is unchanged."""
    node = next(n for n in NODES if n.name == missing)
    lacking = node.kernel([4, 2, 10])

    def partial(kernel: Kernel) -> float:
        if kernel == lacking:
            raise UnknownKernel(f"no row for {kernel}")
        return kernel_ms(kernel)

    model, whole = LatencyModel(SPACE, NODES, partial), LatencyModel(SPACE, NODES, kernel_ms)
    executes = np.array([lacking in {n.kernel(row.tolist()) for n in NODES} for row in UNITS])
    assert 0 < executes.sum() < len(GRID)
    np.testing.assert_allclose(model(GRID[~executes]), whole(GRID[~executes]))
    for policy in GRID[executes]:
        with pytest.raises(UnknownKernel, match="no row for"):
            model(policy[None])


def test_a_fixed_kernel_without_a_row_raises_at_once() -> None:
    def nothing(kernel: Kernel) -> float:
        raise UnknownKernel(f"no row for {kernel}")

    with pytest.raises(UnknownKernel, match=r"no row for Conv\(3x16\)"):
        LatencyModel(SPACE, NODES[:1], nothing)


@pytest.mark.parametrize("width", [1, 3, 7, 9, 500])
def test_a_width_that_was_not_profiled_is_named(width: int) -> None:
    model = LatencyModel(SPACE, NODES, kernel_ms)
    with pytest.raises(UnknownKernel, match=rf"group a: width {width} was not profiled.*\[2, 4, 8\]"):
        model(np.array([[8, 12, 10], [width, 12, 10]]))


def test_a_measurement_holds_its_spread() -> None:
    assert Measurement(1.5, 0.1, 7) == Measurement(median=1.5, spread=0.1, runs=7)
