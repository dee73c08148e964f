from __future__ import annotations

import functools

import numpy as np
import pytest
from small_networks import CPU, SHAPE, Alone, SmallNetworks, small_space

from autoprune.cost import Extent
from autoprune.errors import BadInput
from autoprune.profiler.plan.blueprint import Blueprint
from autoprune.profiler.plan.observing import possible_policies
from autoprune.profiler.profile import profile
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.profiler.table.verification import Verification
from autoprune.profiler.table.written import document
from autoprune.profiler.verify import at_speed_of, judge, unseen_policies, verify
from autoprune.space import ChannelGroup, Policy, SearchSpace


@functools.cache
def table() -> LatencyTable:
    return profile(SmallNetworks(wide_space()), device=CPU, seconds=0.5, seed=3)


def wide_space() -> SearchSpace:
    """The small network's groups, with so many widths that a profile cannot look at all their pairs."""
    return small_space().with_widths([tuple(range(2, 33, 2)), tuple(range(4, 49, 4))])


def test_a_table_is_checked_on_networks_it_was_not_made_from() -> None:
    made = SmallNetworks(wide_space())
    found = verify(made, table(), device=CPU, count=4, seed=3)
    assert found.networks == len(found.rows) == 4
    anchors = {Policy(anchor.widths) for one in table().networks.values() for anchor in one.anchors}
    assert {Policy(row.widths) for row in found.rows} | anchors == set(made.asked)
    assert (set(made.asked) - anchors).isdisjoint(possible_policies(made.blueprint, 3))
    timed = TimedPlan.of(table(), made.blueprint.digest, wide_space())
    for row in found.rows:
        assert row.predicted_ms == pytest.approx(float(timed.latency()(np.array([row.widths]))[0]), abs=1e-6)
        assert row.error == pytest.approx((row.predicted_ms - row.measured_ms) / row.measured_ms, abs=1e-3)
    assert found.speed > 0
    assert set(document(found)) >= {
        *("networks", "mape", "max_error", "within_5pct", "within_10pct", "rank_correlation", "noise_floor", "rows"),
    }


def test_unseen_policies_are_distinct_and_no_profile_s() -> None:
    space = SearchSpace(tuple(ChannelGroup(f"g{i}", 64, tuple(range(4, 65, 4)), (f"g{i}",)) for i in range(4)))
    large = Blueprint("large", "1" * 16, SHAPE, space, (Extent(0, ((0, 1), (2, 1))),))
    for seed in range(5):
        unseen = unseen_policies(large, 20, seed)
        assert len(set(unseen)) == len(unseen) == 20
        assert not set(unseen) & set(possible_policies(large, seed))
        assert unseen == unseen_policies(large, 20, seed)


def test_a_space_that_was_looked_at_whole_leaves_nothing_to_check() -> None:
    measured = profile(Alone(), device=CPU, seconds=0.1)
    with pytest.raises(BadInput, match="cannot be checked"):
        verify(Alone(), measured, device=CPU, count=5)


def test_a_table_of_other_networks_is_refused() -> None:
    with pytest.raises(BadInput, match="does not hold this network"):
        verify(Alone(), table(), device=CPU)
    other = SearchSpace((ChannelGroup("inner", 16, (8, 16), ("inner",)), small_space().groups[1]))
    with pytest.raises(BadInput, match="has other channel groups"):
        verify(SmallNetworks(other), table(), device=CPU)


def judged(predicted: list[float], first: list[float], second: list[float]) -> Verification:
    policies = [Policy((n + 1,)) for n in range(len(predicted))]
    once, again = np.array(first)[:, None], np.array(second)[:, None]
    return judge(policies, np.array(predicted), once, again, speed=1.25, interpolated=0.5)


def test_errors_are_fractions_of_what_was_measured() -> None:
    found = judged([1.0, 2.16, 2.76], first=[1.0, 2.0, 3.0], second=[1.0, 2.0, 3.0])
    assert found.mape == pytest.approx((0 + 0.08 + 0.08) / 3)
    assert found.max_error == pytest.approx(0.08)
    assert found.within_5pct == pytest.approx(1 / 3)
    assert found.within_10pct == pytest.approx(1.0)
    assert found.within_noise == pytest.approx(1 / 3)
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.noise_floor.mape == 0
    assert (found.speed, found.interpolated) == (1.25, 0.5)


def test_the_noise_floor_is_what_two_measurements_differ_by() -> None:
    found = judged([1.0, 2.0], first=[0.9, 1.9], second=[1.1, 2.1])
    assert found.noise_floor.mape == pytest.approx((0.2 + 0.1) / 2)
    assert found.noise_floor.max_error == pytest.approx(0.2)
    assert found.noise_floor.drift == pytest.approx(0.15)


def test_where_the_noise_is_larger_than_5_percent_it_is_the_measure() -> None:
    found = judged([1.08, 2.0], first=[0.95, 2.0], second=[1.05, 2.0])
    assert (found.within_5pct, found.within_noise) == (0.5, 1.0)


def test_ranks_are_spearman_s_and_equal_times_share_theirs() -> None:
    times = [3.0, 1.0, 2.0, 2.0, 5.0]
    found = judged([9.0, 1.0, 3.0, 4.0, 5.0], first=times, second=times)
    # ranks 4 0 1 2 3 against 3 0 1.5 1.5 4
    assert found.rank_correlation == pytest.approx(np.corrcoef([4, 0, 1, 2, 3], [3, 0, 1.5, 1.5, 4])[0, 1])


def test_ranks_of_equal_times_are_not_correlated() -> None:
    assert judged([1.0, 1.0], first=[1.0, 2.0], second=[1.0, 2.0]).rank_correlation == 0


@pytest.mark.parametrize(("factor", "constant"), [(1.0, 0.0), (1.3, 0.0), (0.8, 0.2), (1.2, -0.1)])
def test_times_are_brought_to_the_speed_that_the_anchors_had(factor: float, constant: float) -> None:
    then, times = np.array([8.0, 5.0, 2.0, 0.7]), np.array([[6.0, 6.1], [1.0, 1.1]])
    found = at_speed_of(then, factor * then + constant, factor * times + constant)
    np.testing.assert_allclose(found, times)


def test_two_anchors_tell_a_factor_only() -> None:
    found = at_speed_of(np.array([4.0, 2.0]), np.array([8.0, 4.0]), np.array([[3.0]]))
    np.testing.assert_allclose(found, [[1.5]])


def test_a_constant_that_no_network_could_have_taken_is_not_believed() -> None:
    then = np.array([8.0, 4.0, 2.0])
    found = at_speed_of(then, 0.5 * then + 3.0, np.array([[2.0]]))
    np.testing.assert_allclose(found, 2.0 / np.median((0.5 * then + 3.0) / then))
