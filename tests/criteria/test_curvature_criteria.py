"""Criteria of second derivatives: OBD and second-order Taylor by their formulae, OBS by refitting without each unit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from evidence_example import UNITS, random_evidence

from autoprune.criteria.criterion import find_criterion

seeds = pytest.mark.parametrize("seed", range(3))


@seeds
def test_obd_adds_up_half_h_w_squared_where_h_is_positive(seed: int) -> None:
    evidence = random_evidence(seed)
    assert evidence.curvature is not None
    expected = np.zeros(UNITS)
    for weight, curvature in zip(evidence.made, evidence.curvature.made, strict=True):
        for (unit, _), (w, h) in zip(
            np.ndindex(*weight.shape),
            zip(weight.flatten().tolist(), curvature.flatten().tolist(), strict=True),
            strict=True,
        ):
            expected[unit] += 0.5 * max(h, 0.0) * w * w
    assert find_criterion("obd").scores(evidence).tolist() == pytest.approx(expected.tolist())


@seeds
def test_second_order_taylor_is_exact_for_a_quadratic_loss(seed: int) -> None:
    """With L(m) = c + g (m - 1) + h (m - 1)^2 / 2 per gate, the score is the squared change from m = 1 to m = 0."""
    evidence = random_evidence(seed)
    assert evidence.gradients is not None
    assert evidence.curvature is not None
    g, h = evidence.gradients.gates.mean(0), evidence.curvature.gates

    def loss(gate: float) -> torch.Tensor:
        return 7 + g * (gate - 1) + h * (gate - 1) ** 2 / 2

    expected = (loss(0.0) - loss(1.0)) ** 2
    torch.testing.assert_close(find_criterion("taylor-second-order").scores(evidence), expected)


@seeds
def test_obs_is_what_the_best_refit_without_the_unit_misses(seed: int) -> None:
    evidence = random_evidence(seed)
    [consumer] = evidence.consumers
    x, w, rows = np.linalg.cholesky(consumer.moments.numpy()).T, consumer.weight.numpy(), consumer.rows.numpy()
    y = x @ w  # x^T x are the moments, so that these rows stand for any inputs that have them
    expected = []
    for unit in range(UNITS):
        rest = np.setdiff1d(np.arange(len(w)), rows[unit])
        fitted, *_ = np.linalg.lstsq(x[:, rest], y, rcond=None)
        expected.append(((y - x[:, rest] @ fitted) ** 2).sum() / (y**2).sum())
    assert find_criterion("obs").scores(evidence).tolist() == pytest.approx(expected, rel=1e-6)
