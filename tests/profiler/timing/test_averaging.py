from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from drifting_machine import KERNELS, NETWORKS, TRUE_US, visits

from autoprune.cost import Measurement
from autoprune.profiler.timing.averaging import average, settled, standard_error, summary, times_without
from autoprune.profiler.timing.visits import Visit


def test_rows_are_those_of_a_machine_of_steady_speed() -> None:
    made, speed = visits()
    rows = average(made)
    np.testing.assert_allclose(rows.speed, speed, rtol=0.02)  # it varies by 10%
    for kernel, row in rows.kernels.items():
        assert row.median == pytest.approx(TRUE_US[kernel] * 1e-3 * _level(made), rel=0.02)
        assert row.spread < 0.01 * row.median
        assert row.runs == sum(kernel in visit.sites for visit in made)
    assert rows.drift == pytest.approx(summary(speed, 1).spread, rel=0.05)


def _level(made: list[Visit]) -> float:
    """Speed of the median visit: its kernels' times over the true ones."""
    return float(np.median([next(us / TRUE_US[k] for k, us in v.kernel_us.items()) for v in made]))


def test_a_summary_is_median_and_half_interquartile_range() -> None:
    assert summary([1, 2, 3, 4, 5], 50) == Measurement(3.0, 1.0, 50)


def test_the_standard_error_is_that_of_medians_of_normal_values() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(5.0, 0.3, size=(4000, 25))
    medians = np.median(samples, axis=1)
    stated = [standard_error(summary(sample, len(sample))) for sample in samples]
    assert np.median(stated) == pytest.approx(medians.std(), rel=0.1)


def test_kernels_are_settled_when_their_medians_no_longer_move() -> None:
    made, _ = visits()
    assert settled(made) == (len(KERNELS), len(KERNELS))
    rng = np.random.default_rng(1)
    restless = KERNELS[-1]
    shaken = [
        dataclasses.replace(visit, kernel_us={**visit.kernel_us, restless: visit.kernel_us[restless] * factor})
        if restless in visit.kernel_us
        else visit
        for visit, factor in zip(made, rng.uniform(0.5, 1.5, len(made)).tolist(), strict=True)
    ]
    well, of = settled(shaken)
    assert of == len(KERNELS)
    assert well < of


def test_rows_without_some_networks_are_made_of_the_other_visits() -> None:
    made, _ = visits()
    rows = average(made)
    everything = times_without(made, rows.speed, [])
    assert {k: t.median for k, t in everything.items()} == pytest.approx({k: t.median for k, t in rows.kernels.items()})
    left_out = range(3, NETWORKS)
    others = [visit for visit in made if visit.network < 3]
    part = times_without(made, rows.speed, left_out)
    assert set(part) == {kernel for visit in others for kernel in visit.kernel_us}
    for kernel, time in part.items():
        assert time.runs == sum(kernel in visit.kernel_us for visit in others)
