from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.cost import FloatArray, Kernel, Measurement
from autoprune.profiler.averaging import (
    average,
    fit_network,
    network_ms,
    profiler_overhead_ms,
    summary,
    without_overhead,
)
from autoprune.profiler.timing import Visit

KERNELS = [Kernel("Relu", ((n,),), ((n,),)) for n in range(12)]
TRUE_US = np.linspace(3, 60, len(KERNELS))
NETWORKS, ROUNDS = 10, 6


def visits(overhead_us: float = 0.0, *, own: FloatArray | None = None) -> tuple[list[Visit], FloatArray]:
    """Rounds of networks with known kernel times, on a machine whose speed changes; and these speeds."""
    rng = np.random.default_rng(0)
    speed = np.exp(rng.normal(0, 0.1, size=NETWORKS * ROUNDS))
    own = np.ones(NETWORKS) if own is None else own
    made = []
    for index, factor in enumerate(speed):
        network = index % NETWORKS
        sites = {KERNELS[k]: int(n) for k, n in enumerate(np.random.default_rng(network).integers(0, 4, 12)) if n}
        true = {kernel: TRUE_US[KERNELS.index(kernel)] * own[network] for kernel in sites}
        whole_us = sum(true[kernel] * count for kernel, count in sites.items())
        seen = {kernel: (time + overhead_us) * factor for kernel, time in true.items()}
        made.append(Visit(network, seen, sites, whole_us * factor * 1e-3, 10, 0.0, 0.01, 0.01))
    return made, speed / np.median(speed)


def test_rows_are_those_of_a_machine_of_steady_speed() -> None:
    made, speed = visits()
    rows = average(made)
    np.testing.assert_allclose(rows.speed, speed, rtol=0.02)  # it varies by 10%
    for kernel, row in rows.kernels.items():
        assert row.median == pytest.approx(TRUE_US[KERNELS.index(kernel)] * 1e-3 * _level(made), rel=0.02)
        assert row.spread < 0.01 * row.median
        assert row.runs == sum(kernel in visit.sites for visit in made)
    assert rows.drift == pytest.approx(summary(speed, 1).spread, rel=0.05)


def _level(made: list[Visit]) -> float:
    """Speed of the median visit: its kernels' times over the true ones."""
    return float(np.median([next(us / TRUE_US[KERNELS.index(k)] for k, us in v.kernel_us.items()) for v in made]))


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
    assert profiler_overhead_ms(made, average(made).speed) == pytest.approx(2e-3, rel=0.05)


def test_a_profiler_without_own_time_has_none() -> None:
    made, _ = visits()
    assert profiler_overhead_ms(made, average(made).speed) == pytest.approx(0, abs=2e-4)


@given(st.floats(1e-4, 10), st.floats(0, 1))
def test_a_kernel_never_loses_all_its_time(median: float, overhead: float) -> None:
    left = without_overhead(Measurement(median, 0.1, 5), overhead)
    assert 0 < left.median <= median
    assert (left.spread, left.runs) == (0.1, 5)


@given(st.floats(0.7, 1.3), st.floats(-0.1, 0.3))
def test_scale_and_constant_are_found_among_outliers(scale: float, constant: float) -> None:
    sums = np.linspace(0.5, 4.0, 40)
    whole = constant + scale * sums
    whole[::10] *= 1.5  # another program ran
    found = fit_network(sums, whole)
    clean = np.delete(np.arange(40), np.arange(0, 40, 10))
    np.testing.assert_allclose(found[1] + found[0] * sums[clean], whole[clean], rtol=0.02)


def test_networks_that_are_all_alike_keep_the_scale_near_one() -> None:
    scale, constant = fit_network(np.full(10, 2.0), np.full(10, 2.2))
    assert scale == pytest.approx(1, abs=0.1)
    assert constant + 2 * scale == pytest.approx(2.2, rel=0.01)


def test_a_summary_is_median_and_half_interquartile_range() -> None:
    assert summary([1, 2, 3, 4, 5], 50) == Measurement(3.0, 1.0, 50)
