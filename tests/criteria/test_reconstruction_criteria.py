"""ThiNet and the LASSO against their problems solved by brute force; elimination's own tests are beside these."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from evidence_example import UNITS, random_evidence
from numpy.typing import NDArray
from sklearn.linear_model import Lasso

from autoprune.criteria.criterion import find_criterion
from autoprune.criteria.evidence import Consumer, Evidence
from autoprune.criteria.reconstruction import refitted

Matrix = NDArray[np.float64]
seeds = pytest.mark.parametrize("seed", range(3))


def order(name: str, evidence: Evidence) -> list[int]:
    return torch.argsort(find_criterion(name).scores(evidence)).tolist()


def inputs(consumer: Consumer) -> Matrix:
    """Rows whose second moments are the consumer's."""
    return np.linalg.cholesky(consumer.moments.numpy()).T


@seeds
def test_thinet_adds_the_contribution_that_leaves_the_least_error(seed: int) -> None:
    evidence = random_evidence(seed)
    [consumer] = evidence.consumers
    x, w, rows = inputs(consumer), consumer.weight.numpy(), consumer.rows.numpy()
    parts = [x[:, own] @ w[own] for own in rows]
    gone: list[int] = []
    while len(gone) < UNITS:
        left = [unit for unit in range(UNITS) if unit not in gone]
        gone.append(min(left, key=lambda unit: (sum(parts[u] for u in [*gone, unit]) ** 2).sum()))
    assert order("thinet", evidence) == gone


@seeds
def test_the_first_turn_of_the_lasso_drops_who_leaves_it_first(seed: int) -> None:
    """Coordinate descent at one penalty after the other, from large to small: who comes in last is the first to go."""
    evidence = random_evidence(seed)
    [consumer] = evidence.consumers
    x, w, rows = inputs(consumer), consumer.weight.numpy(), consumer.rows.numpy()
    columns = np.stack([(x[:, own] @ w[own] / np.linalg.norm(w[own])).ravel() for own in rows], axis=1)
    target = (x @ w).ravel()
    largest = np.abs(columns.T @ target).max() / len(target)
    entered: list[int] = []
    for penalty in np.geomspace(largest, largest * 1e-6, 3000):
        fitted = Lasso(alpha=penalty, fit_intercept=False, max_iter=50_000, tol=1e-9).fit(columns, target)
        entered += [unit for unit in np.flatnonzero(fitted.coef_).tolist() if unit not in entered]
        if len(entered) == UNITS:
            break
    assert set(order("lasso", evidence)[: UNITS // 4]) == set(entered[-(UNITS // 4) :])


@seeds
def test_a_refit_is_the_least_squares_solution_over_what_is_kept(seed: int) -> None:
    [consumer] = random_evidence(seed).consumers
    x, w, kept = inputs(consumer), consumer.weight.numpy(), [1, 4, 6]
    columns = consumer.rows[kept].reshape(-1).numpy()
    expected, *_ = np.linalg.lstsq(x[:, columns], x @ w, rcond=None)
    found = refitted(consumer, torch.tensor(kept))
    assert found[columns].numpy() == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert int((found != 0).any(1).sum()) == len(columns)


def test_a_refit_leaves_other_groups_inputs_in_use() -> None:
    """The consumer reads four inputs more than the group has."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 10)) @ rng.normal(size=(10, 10))
    consumer = Consumer(
        torch.from_numpy(x.T @ x / 200), torch.from_numpy(rng.normal(size=(10, 3))), torch.arange(6).view(3, 2)
    )
    found = refitted(consumer, torch.tensor([2]))
    assert (found != 0).any(1).tolist() == [False] * 4 + [True] * 6
