from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from autoprune.significance import (
    LEVEL,
    PairedDifference,
    holm,
    mean_interval,
    pairs_needed,
    sign_flip_p,
    smallest_p,
    student_t_quantile,
)

differences = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=1, max_size=9)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(differences)
def test_the_permutation_test_is_scipy_s(values: list[float]) -> None:
    if len(values) > 1:
        exact = stats.permutation_test(
            (np.array(values),), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", vectorized=True
        )
        assert sign_flip_p(values) == pytest.approx(exact.pvalue)
    assert smallest_p(len(values)) <= sign_flip_p(values) <= 1
    assert sign_flip_p([-x for x in values]) == sign_flip_p(values)


def test_many_pairs_are_drawn_and_come_near_the_exact_value() -> None:
    values = np.random.default_rng(3).normal(0.4, 1, 17)
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    exact = float((np.abs(sums) >= abs(values.sum()) * (1 - 1e-12)).mean())
    assert sign_flip_p(values) == pytest.approx(exact, abs=4 * math.sqrt(exact / 100_000))


def test_pairs_of_one_sign_give_the_least_p_value_and_equal_ones_the_largest() -> None:
    for pairs in range(1, 12):
        assert sign_flip_p([1.0] * pairs) == smallest_p(pairs) == 2.0 ** (1 - pairs)
        assert sign_flip_p([0.0] * pairs) == 1.0


@pytest.mark.parametrize("comparisons", [1, 2, 3, 5, 12, 66])
def test_so_many_pairs_are_needed_and_no_fewer(comparisons: int) -> None:
    pairs = pairs_needed(comparisons)
    assert comparisons * smallest_p(pairs) <= LEVEL < comparisons * smallest_p(pairs - 1)


@given(p_values)
def test_holm_lies_between_no_correction_and_bonferroni_s_and_keeps_the_order(values: list[float]) -> None:
    corrected = holm(values)
    pairs = sorted(zip(values, corrected, strict=True))
    for p, c in pairs:
        assert p <= c <= min(1.0, len(values) * p) + 1e-12
    assert [c for _, c in pairs] == sorted(corrected)


def test_holm_s_own_steps() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_keeps_the_chance_of_any_error_at_its_level() -> None:
    rng = np.random.default_rng(0)
    wrong = sum(min(holm(rng.random(6).tolist())) <= LEVEL for _ in range(2000))
    assert wrong / 2000 <= LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / 2000)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 30, 101])
@pytest.mark.parametrize("probability", [0.5, 0.6, 0.9, 0.975, 0.995])
def test_student_s_quantiles_are_scipy_s(probability: float, freedom: int) -> None:
    assert student_t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), abs=1e-9)


@pytest.mark.parametrize(("count", "least"), [(5, 0.89), (8, 0.92), (12, 0.92)])
def test_intervals_hold_the_mean_as_often_as_they_say(count: int, least: float) -> None:
    # 95%, but that of 5 numbers even the whole range misses the mean with chance 2 / 2^5; plain percentiles hold 83%
    samples = np.random.default_rng(5).normal(1.0, 2.0, (250, count))
    held = [low <= 1.0 <= high for low, high in map(_interval, samples)]
    assert least <= np.mean(held) <= 0.995


def _interval(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    found = mean_interval(values)
    assert found is not None
    return found


@given(st.lists(st.integers(-100, 100), min_size=2, max_size=10), st.integers(-50, 50))
def test_an_interval_lies_within_what_was_seen_and_moves_with_it(values: list[int], shift: int) -> None:
    low, high = _interval(np.array(values, dtype=np.float64))
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    moved = _interval(np.array(values, dtype=np.float64) + shift)
    assert moved == pytest.approx((low + shift, high + shift))


def test_one_number_has_no_interval() -> None:
    assert mean_interval([3.0]) is None
    assert PairedDifference.of([3.0]) == PairedDifference(3.0, None, 1.0, 1, 1)


def test_a_paired_difference_counts_who_is_ahead() -> None:
    found = PairedDifference.of([0.5, -0.1, 0.0, 0.6])
    assert (found.wins, found.pairs) == (2, 4)
    assert found.mean == pytest.approx(0.25)
    assert found.p == pytest.approx(0.5)
