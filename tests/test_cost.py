"""Costs: counts by hand, batches against single policies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import SIZES, WIDTHS, toy_cost, toy_space

from autoprune.cost import Cost, CostModel, CountPlan, Extent, Kernel, Measurement, Metric, Volume
from autoprune.errors import BadInput
from autoprune.space import ChannelGroup, Policy, SearchSpace

COST = toy_cost()
policies = st.tuples(*(st.sampled_from(g.widths) for g in toy_space().groups))


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
    cost = Cost(macs=1, params=2, peak_memory_bytes=3, latency_ms=4, energy_mj=5, size_bytes=6)
    order = (Metric.MACS, Metric.PARAMS, Metric.MEMORY, Metric.LATENCY, Metric.ENERGY, Metric.SIZE)
    assert [cost.of(metric) for metric in order] == [1, 2, 3, 4, 5, 6]
    assert cost.known == dict(zip(order, [1, 2, 3, 4, 5, 6], strict=True))
    assert set(Cost(macs=1, params=2, peak_memory_bytes=3).known) == {Metric.MACS, Metric.PARAMS, Metric.MEMORY}


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


def test_energy_is_a_cost_like_any_other_where_a_table_tells_it() -> None:
    cost = CostModel(toy_space(), COST.plan, energy=lambda widths: 0.5 * widths.sum(axis=1))
    assert set(cost.metrics) == {Metric.MACS, Metric.PARAMS, Metric.MEMORY, Metric.ENERGY}
    assert cost.costs(np.array([WIDTHS]), [Metric.ENERGY])[Metric.ENERGY].tolist() == [0.5 * sum(WIDTHS)]
    found = cost.cost(toy_space().dense())
    assert (found.latency_ms, found.energy_mj) == (None, 0.5 * sum(WIDTHS))


def test_size_is_known_where_somebody_has_looked_at_the_file() -> None:
    space = SearchSpace((ChannelGroup("a", 8, tuple(range(1, 9)), ("a",)),))
    stored = (Volume("a", 4, (Extent(0, ((0, 1),)), Extent(3))), Volume("graph", 100, ()))
    cost = CostModel(space, CountPlan((), (), (), (), stored)).cost(Policy((5,)))
    assert cost.size_bytes == 4 * 5 * 3 + 100
    with pytest.raises(BadInput, match="size is not known"):
        CostModel(space, CountPlan((), (), (), ())).cost(Policy((5,))).of(Metric.SIZE)


def test_a_kernel_is_written_as_its_operator_and_what_it_reads() -> None:
    assert str(Kernel("Conv", ((1, 3, 16, 16), (4, 3, 3, 3), ()), ())) == "Conv(1x3x16x16 4x3x3x3 scalar)"


def test_a_measurement_holds_its_spread() -> None:
    assert Measurement(1.5, 0.1, 7) == Measurement(median=1.5, spread=0.1, runs=7)


def test_what_a_second_measurement_may_exceed_is_the_spread_but_never_a_hundredth() -> None:
    assert Measurement(2.0, 0.01, 9).repeatable == pytest.approx(2.01)
    assert Measurement(2.0, 0.5, 9).repeatable == pytest.approx(2.02)
    assert Measurement(2.0, 0.0, 9).repeatable == 2.0
