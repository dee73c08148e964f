"""Criteria of the weights alone, against loops over single numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_example import UNITS, random_evidence
from numpy.typing import NDArray
from scipy.stats import entropy as reference_entropy
from sklearn.metrics.pairwise import cosine_similarity

from autoprune.criteria.criterion import find_criterion
from autoprune.criteria.evidence import Evidence, Weight

Matrix = NDArray[np.float64]
seeds = pytest.mark.parametrize("seed", range(4))


def scores(name: str, evidence: Evidence) -> list[float]:
    return find_criterion(name).scores(evidence).tolist()


def filters(evidence: Evidence) -> Matrix:
    """Every unit's weights, each layer's divided by the root of the sum of its squares."""
    layers = [weight.matrix.numpy() for weight in evidence.weights if weight.made]
    return np.hstack([layer / math.sqrt(sum(x * x for x in layer.ravel())) for layer in layers])


def alone(matrix: Matrix) -> Evidence:
    """Evidence of a group that one layer makes."""
    weight = Weight("only", torch.from_numpy(matrix), True)
    return replace(random_evidence(units=len(matrix)), weights=(weight,))


@seeds
def test_norms_add_up_single_weights(seed: int) -> None:
    evidence = random_evidence(seed)
    rows = filters(evidence)
    assert scores("l1", evidence) == pytest.approx([sum(abs(x) for x in row) for row in rows])
    assert scores("l2", evidence) == pytest.approx([math.sqrt(sum(x * x for x in row)) for row in rows])


def test_l0_counts_what_is_not_zero() -> None:
    matrix = np.ones((3, 8))
    matrix[0, :6] = 0
    matrix[1, 0] = -1e-30
    matrix[2, 2:4] = 0
    assert scores("l0", alone(matrix)) == [0.25, 1.0, 0.75]


@seeds
def test_fpgm_is_the_distance_to_everyone_else(seed: int) -> None:
    evidence = random_evidence(seed)
    rows = filters(evidence)
    expected = [sum(math.dist(a, b) for b in rows) for a in rows]
    assert scores("fpgm", evidence) == pytest.approx(expected)


@seeds
def test_the_first_to_go_by_fpgm_is_the_filter_nearest_to_the_geometric_median(seed: int) -> None:
    """The geometric median itself by Weiszfeld's iteration, of filters on a ring around one that is close to it."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(UNITS, 5))
    rows[4] = 0.05 * rng.normal(size=5)
    median = rows.mean(0)
    for _ in range(500):
        inverse = 1 / np.maximum(np.linalg.norm(rows - median, axis=1), 1e-12)
        median = (rows * inverse[:, None]).sum(0) / inverse.sum()
    nearest = int(np.linalg.norm(rows - median, axis=1).argmin())
    assert int(np.argmin(scores("fpgm", alone(rows)))) == nearest == 4


@seeds
def test_cosine_drops_one_of_the_most_similar_pair_left(seed: int) -> None:
    evidence = random_evidence(seed)
    similar = cosine_similarity(filters(evidence))
    left, expected = list(range(UNITS)), {}
    while len(left) > 1:
        a, b = max(((a, b) for a in left for b in left if a < b), key=lambda pair: similar[pair])
        gone = a if similar[a].sum() >= similar[b].sum() else b
        expected[gone] = 1 - similar[a, b]
        left.remove(gone)
    found = scores("cosine", evidence)
    assert {unit: found[unit] for unit in expected} == pytest.approx(expected)
    assert found[left[0]] >= max(expected.values())


@seeds
def test_the_entropy_is_that_of_the_histogram_over_the_range_of_all_filters(seed: int) -> None:
    evidence = random_evidence(seed)
    rows = filters(evidence)
    low, width = rows.min(), (rows.max() - rows.min()) / 32
    expected = []
    for row in rows:
        counts = [0] * 32
        for x in row:
            counts[min(31, int((x - low) / width))] += 1
        expected.append(reference_entropy(counts))
    assert scores("weight-entropy", evidence) == pytest.approx(expected)


@seeds
def test_bn_gamma_adds_shares_of_every_norm(seed: int) -> None:
    evidence = random_evidence(seed)
    gammas = [scale.flatten().tolist() for scale in evidence.scales]
    lengths = [math.sqrt(sum(g * g for g in own)) for own in gammas]
    expected = [sum(abs(own[u]) / length for own, length in zip(gammas, lengths, strict=True)) for u in range(UNITS)]
    assert scores("bn-gamma", evidence) == pytest.approx(expected)


@seeds
def test_lamp_is_the_share_of_what_survives_and_orders_a_group_as_l2_does(seed: int) -> None:
    evidence = random_evidence(seed)
    squared = (filters(evidence) ** 2).sum(1)
    expected = [s / sum(t for t in squared if t >= s) for s in squared]
    assert scores("lamp", evidence) == pytest.approx(expected)
    assert np.argsort(expected).tolist() == np.argsort(scores("l2", evidence)).tolist()
    assert max(expected) == pytest.approx(1)


def test_random_draws_anew_for_every_seed_and_favours_nobody() -> None:
    firsts = [int(np.argmin(scores("random", replace(random_evidence(), seed=seed)))) for seed in range(400)]
    assert all(25 <= firsts.count(unit) <= 80 for unit in range(UNITS))


def test_layers_of_any_size_count_alike() -> None:
    evidence = random_evidence()
    first, *others = evidence.weights
    louder = replace(evidence, weights=(replace(first, matrix=1000 * first.matrix), *others))
    for name in ("l1", "l2", "fpgm", "cosine", "lamp", "weight-entropy"):
        assert scores(name, louder) == pytest.approx(scores(name, evidence))
