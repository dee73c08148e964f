"""Criteria of activations, against numpy, scipy and scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_example import UNITS, random_evidence
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from scipy.stats import entropy

from autoprune.criteria.criterion import find_criterion
from autoprune.criteria.evidence import Evidence, Reader

seeds = pytest.mark.parametrize("seed", range(3))


def scores(name: str, evidence: Evidence) -> NDArray[np.float64]:
    return find_criterion(name).scores(evidence).numpy()


def values(evidence: Evidence) -> NDArray[np.float64]:
    """What the only reader is given [images, positions, units]."""
    assert evidence.readers is not None
    [reader] = evidence.readers
    return reader.values.double().numpy()


def share(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(x / x.sum())


@seeds
def test_amounts_are_shares_of_the_reader(seed: int) -> None:
    evidence = random_evidence(seed)
    x = values(evidence)
    assert scores("mean-activation", evidence) == pytest.approx(share(np.abs(x).mean((0, 1))))
    assert scores("variance", evidence) == pytest.approx(share(x.reshape(-1, UNITS).var(0)))
    assert scores("apoz", evidence) == pytest.approx(
        [1 - (x[..., u] == 0).sum() / x[..., u].size for u in range(UNITS)]
    )


@seeds
def test_wanda_multiplies_every_weight_by_the_norm_of_its_input(seed: int) -> None:
    evidence = random_evidence(seed)
    assert evidence.readers is not None
    weight, x = evidence.readers[0].weight.numpy(), values(evidence)
    norms = [np.linalg.norm(x[..., unit]) for unit in range(UNITS)]
    assert scores("wanda", evidence) == pytest.approx(
        share(np.array([sum(abs(w) * norms[u] for w in weight[u]) for u in range(UNITS)]))
    )


@seeds
def test_the_entropy_is_that_of_100_bins_of_each_units_own(seed: int) -> None:
    evidence = random_evidence(seed)
    pooled = values(evidence).mean(1)
    expected = [entropy(np.histogram(own, bins=100, range=(own.min(), own.max()))[0]) for own in pooled.T]
    assert scores("activation-entropy", evidence) == pytest.approx(expected)


@seeds
def test_correlation_drops_one_of_the_most_correlated_pair_left(seed: int) -> None:
    evidence = random_evidence(seed)
    r = np.abs(np.corrcoef(values(evidence).reshape(-1, UNITS).T))
    left, expected = list(range(UNITS)), {}
    while len(left) > 1:
        a, b = max(((a, b) for a in left for b in left if a < b), key=lambda pair: r[pair])
        gone = a if r[a].sum() >= r[b].sum() else b
        expected[gone] = 1 - r[a, b]
        left.remove(gone)
    found = scores("correlation", evidence)
    assert {unit: found[unit] for unit in expected} == pytest.approx(expected)


@seeds
def test_clusters_merge_at_the_heights_of_average_linkage(seed: int) -> None:
    """scipy's tree has the same heights; of two clusters the one goes whose representative varies less."""
    evidence = random_evidence(seed)
    x = values(evidence).reshape(-1, UNITS)
    tree = linkage(squareform(1 - np.abs(np.corrcoef(x.T)), checks=False), method="average")
    representatives, expected = {u: u for u in range(UNITS)}, {}
    for number, (a, b, height, _) in enumerate(tree, UNITS):
        first, second = representatives[int(a)], representatives[int(b)]
        weaker, stronger = sorted((first, second), key=lambda unit: x[:, unit].var())
        expected[weaker], representatives[number] = height, stronger
    found = scores("clusters", evidence)
    assert {unit: found[unit] for unit in expected} == pytest.approx(expected)


def test_every_reader_counts_alike() -> None:
    evidence = random_evidence()
    assert evidence.readers is not None
    [reader] = evidence.readers
    other = random_evidence(7).readers
    assert other is not None
    both = replace(evidence, readers=(reader, *other))
    louder = replace(evidence, readers=(reader, Reader(1000 * other[0].values, other[0].weight)))
    for name in ("mean-activation", "variance", "apoz", "wanda", "activation-entropy", "correlation"):
        assert scores(name, louder) == pytest.approx(scores(name, both), rel=1e-4)


@pytest.mark.parametrize("name", ["variance", "correlation", "clusters", "activation-entropy"])
def test_a_unit_that_is_always_the_same_goes_first_however_large(name: str) -> None:
    evidence = random_evidence()
    assert evidence.readers is not None
    [reader] = evidence.readers
    constant = reader.values.clone()
    constant[..., 6] = 100.3
    still = replace(evidence, readers=(Reader(constant, reader.weight),))
    assert int(scores(name, still).argmin()) == 6


def test_one_unit_alone_has_a_score() -> None:
    for name in ("clusters", "correlation", "variance"):
        assert torch.isfinite(find_criterion(name).scores(random_evidence(units=1))).all()
