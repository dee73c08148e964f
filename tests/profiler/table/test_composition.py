from __future__ import annotations

import numpy as np
import pytest
from drifting_machine import NETWORKS, visits
from hypothesis import given
from hypothesis import strategies as st

from autoprune.cost import Measurement
from autoprune.profiler.table.composition import (
    Composition,
    fit_composition,
    network_ms,
    profiler_overhead_ms,
    without_overhead,
)
from autoprune.profiler.timing.averaging import average


def test_what_is_proper_to_a_network_is_not_taken_for_the_machine() -> None:
    own = np.linspace(0.8, 1.25, NETWORKS)
    made, _ = visits(own=own)
    whole = network_ms(made, average(made).speed, NETWORKS)
    plain, _ = visits()
    expected = network_ms(plain, average(plain).speed, NETWORKS) * own
    np.testing.assert_allclose(whole / whole.mean(), expected / expected.mean(), rtol=0.08)


def test_a_size_that_slows_is_found_although_the_machine_drifts_more() -> None:
    plain, _ = visits()
    size = network_ms(plain, average(plain).speed, NETWORKS)
    made, _ = visits(own=(size / size.mean()) ** 0.1)
    whole = network_ms(made, average(made).speed, NETWORKS)
    slope = np.polyfit(np.log(size), np.log(whole), 1)[0]
    assert slope == pytest.approx(1.1, abs=0.07)


def test_the_profiler_s_own_time_is_found() -> None:
    made, _ = visits(overhead_us=2.0)
    assert profiler_overhead_ms(made, average(made).speed, 1.8e-3) == pytest.approx(2e-3, rel=0.1)


def test_a_profiler_without_own_time_has_none() -> None:
    made, _ = visits()
    assert profiler_overhead_ms(made, average(made).speed, 1e-4) == pytest.approx(0, abs=2e-4)


@given(st.floats(1e-4, 10), st.floats(0, 1))
def test_a_kernel_never_loses_all_its_time(median: float, overhead: float) -> None:
    left = without_overhead(Measurement(median, 0.1, 5), overhead)
    assert 0 < left.median <= median
    assert (left.spread, left.runs) == (0.1, 5)


@given(st.floats(0.8, 1.2), st.floats(-0.1, 0.15), st.floats(-0.05, 0.1))
def test_scale_crowding_and_constant_are_found_among_outliers(scale: float, crowding: float, constant: float) -> None:
    true = Composition(scale, crowding, constant, 4.0)
    sums = np.linspace(0.5, 4.0, 40)
    whole = true(sums)
    whole[::10] *= 1.5  # another program ran
    found = fit_composition(sums, whole, 4.0)
    np.testing.assert_allclose(found(sums), true(sums), rtol=0.03)


def test_networks_that_are_all_alike_keep_the_plain_sum() -> None:
    found = fit_composition(np.full(10, 2.0), np.full(10, 2.2), 2.0)
    assert found.scale == pytest.approx(1, abs=0.12)
    assert found.crowding == pytest.approx(0, abs=0.05)
    assert found(np.array([2.0]))[0] == pytest.approx(2.2, rel=0.01)


def test_the_dense_network_is_not_crowded_and_smaller_ones_are_less() -> None:
    crowded = Composition(1.1, 0.1, 0.5, 4.0)
    dense, half = crowded(np.array([4.0, 2.0]))
    assert dense == pytest.approx(0.5 + 1.1 * 4.0)
    assert half == pytest.approx(0.5 + 2.0 * (1.1 - 0.1 * np.log(2)))
