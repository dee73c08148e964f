from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls

from autoprune.cost import FloatArray
from autoprune.profiler.least_squares import nonnegative, robust

SEEDS = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(SEEDS, st.integers(1, 40), st.integers(1, 10), st.sampled_from(["full", "repeated", "zero"]))
def test_nonnegative_fits_as_well_as_scipy_does(seed: int, rows: int, columns: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, columns)) + rng.uniform(-1, 2)
    if kind == "repeated":
        features[:, -1] = features[:, 0]
    if kind == "zero":
        features[:, -1] = 0
    target = rng.standard_normal(rows)
    weights = nonnegative(features, target)
    _, least = nnls(features, target)
    assert (weights >= 0).all()
    assert np.linalg.norm(features @ weights - target) == pytest.approx(least, rel=1e-6, abs=1e-9)


@given(SEEDS)
def test_weights_that_made_the_target_are_found_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 1, (30, 5))
    made_with = np.maximum(rng.uniform(-1, 1, 5), 0)
    np.testing.assert_allclose(nonnegative(features, features @ made_with), made_with, atol=1e-6)


@settings(deadline=None)
@given(SEEDS)
def test_robust_finds_the_least_soft_l1_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise, prior, deviation = 0.01, np.array([1.0, 0.0]), np.array([0.1, 0.2])
    features = rng.uniform(0.2, 1, (30, 2))
    features /= (features @ np.array([1.1, 0.2]))[:, None] * rng.normal(1, noise, (30, 1))
    features[::7] *= rng.uniform(0.5, 2)  # some say something else

    def loss(weights: FloatArray) -> float:
        errors = (features @ weights - 1) / noise
        return float(
            (4 * (np.sqrt(1 + (errors / 2) ** 2) - 1)).sum() + 0.5 * (((weights - prior) / deviation) ** 2).sum()
        )

    found = robust(features, prior, deviation, noise=noise)
    least = minimize(loss, prior, method="BFGS", options={"gtol": 1e-8}).fun
    assert loss(found) <= least * (1 + 1e-4)  # it stops after a hundred sweeps


def test_an_eighth_of_outliers_moves_what_is_found_little_and_a_plain_fit_much() -> None:
    features = np.random.default_rng(0).uniform(0.98, 1.02, (40, 1)) / 1.1
    features[::8] *= 2
    [found] = robust(features, np.array([1.0]), np.array([1.0]), noise=0.01)
    plain = float(np.linalg.lstsq(features, np.ones(40), rcond=None)[0][0])
    assert found == pytest.approx(1.1, rel=0.03)
    assert plain < 0.9


def test_what_the_features_do_not_tell_stays_at_its_prior() -> None:
    features = np.stack([np.ones(20), np.zeros(20)], axis=1)
    found = robust(features, np.array([0.9, 0.3]), np.array([1.0, 0.1]), noise=0.01)
    assert found[1] == pytest.approx(0.3)
    assert found[0] == pytest.approx(1.0, abs=0.001)


def test_a_prior_that_is_believed_holds_against_few_features() -> None:
    [found] = robust(np.array([[0.5]]), np.array([1.0]), np.array([1e-6]), noise=0.1)
    assert found == pytest.approx(1.0, abs=1e-4)
