"""Criteria that look at what the layers behind a group are given of it.

Of several readers each counts alike: amounts are taken as shares of the reader's total, and averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from autoprune.criteria.criterion import Need, criterion
from autoprune.criteria.evidence import Evidence, Reader, given
from autoprune.criteria.redundancy import one_of_each_pair
from autoprune.criteria.weights import entropy

_BINS: Final = 100


@criterion("mean-activation", needs=Need.ACTIVATIONS, source="Molchanov et al., ICLR 2017 (Pruning CNNs), section 2.2")
def mean_activation(evidence: Evidence) -> Tensor:
    """Mean magnitude of the activations.

    The paper's is the mean of the activations themselves, which after a ReLU is the same.
    """
    return _mean(evidence, lambda reader: _share(reader.values.double().abs().mean((0, 1))))


@criterion(
    "variance",
    needs=Need.ACTIVATIONS,
    source="Polyak & Wolf, IEEE Access 3, 2015 (Channel-Level Acceleration: inbound pruning)",
)
def variance(evidence: Evidence) -> Tensor:
    """Variance of the activations: what hardly varies, a bias can stand for."""
    return _mean(evidence, lambda reader: _share(_flat(reader).var(0, correction=0)))


@criterion("apoz", needs=Need.ACTIVATIONS, source="Hu et al., 2016 (Network Trimming)")
def apoz(evidence: Evidence) -> Tensor:
    """1 minus the average percentage of zeros among the activations, over images and positions.

    Equal for all units where nothing sets activations to zero; equals go by number.
    """
    return _mean(evidence, lambda reader: (reader.values != 0).double().mean((0, 1)))


@criterion(
    "wanda",
    needs=Need.WEIGHTS | Need.ACTIVATIONS,
    source="Sun et al., ICLR 2024 (Wanda: A Simple and Effective Pruning Approach for LLMs)",
)
def wanda(evidence: Evidence) -> Tensor:
    """Sum of |w| over all that multiply the unit, times the Euclidean norm of its activations.

    The paper prunes single weights by |w| times the norm of the input that each multiplies.
    """
    return _mean(evidence, lambda reader: _share(reader.weight.abs().sum(1) * _flat(reader).norm(dim=0)))


@criterion(
    "activation-entropy",
    needs=Need.ACTIVATIONS,
    source="Luo & Wu, 2017 (An Entropy-based Pruning Method for CNN Compression)",
)
def activation_entropy(evidence: Evidence) -> Tensor:
    """Entropy in nats of the unit's mean activation over images, in 100 bins between its least and largest."""
    return _mean(evidence, lambda reader: _histogram_entropy(reader.values.double().mean(1)))


@criterion(
    "correlation",
    needs=Need.ACTIVATIONS,
    source="Babaeizadeh, Smaragdis & Campbell, 2016 (NoiseOut)",
)
def correlation(evidence: Evidence) -> Tensor:
    """1 - |r| at which one of the most correlated pair of units left is dropped, pair by pair.

    A unit that does not vary says nothing that a bias could not, and is dropped first. The noise outputs
    that the paper trains to make neurons correlated are left out.
    """
    scores = one_of_each_pair(_correlations(evidence))
    return torch.where(_still(evidence), -1.0, scores)


@criterion(
    "clusters", needs=Need.ACTIVATIONS, source="Ayinde & Zurada, 2018 (Redundant Feature Pruning), there of filters"
)
def clusters(evidence: Evidence) -> Tensor:
    """Distance 1 - |r| at which the unit's cluster is merged into one that stands for it.

    Clusters of correlated units are merged from the bottom up; of two, the representative that
    varies more stays. A unit that does not vary goes first.
    """
    strength = variance(evidence)
    scores = _merged(1 - _correlations(evidence), strength)
    return torch.where(_still(evidence), -1.0, scores)


def _mean(evidence: Evidence, of: Callable[[Reader], Tensor]) -> Tensor:
    return torch.stack([of(reader) for reader in given(evidence.readers)]).mean(0)


def _share(amounts: Tensor) -> Tensor:
    return amounts / amounts.sum().clamp_min(1e-30)


def _flat(reader: Reader) -> Tensor:
    """Values [images x positions, units]."""
    return reader.values.double().flatten(0, 1)


def _histogram_entropy(values: Tensor) -> Tensor:
    """Entropy [units] of values [n, units], each unit's in bins of its own."""
    counts = [np.histogram(own, _BINS)[0] for own in values.T.numpy()]
    return entropy(torch.from_numpy(np.stack(counts)))


def _still(evidence: Evidence) -> Tensor:
    """Which units have the same value everywhere, bool [units]."""
    return torch.stack([(r.values == r.values[:1, :1]).flatten(0, 1).all(0) for r in given(evidence.readers)]).all(0)


def _correlations(evidence: Evidence) -> Tensor:
    """Absolute correlation of the units' activations [units, units], mean over readers; 0 with one that is still."""
    found = []
    for reader in given(evidence.readers):
        centred = _flat(reader) - _flat(reader).mean(0)
        directions = centred / centred.norm(dim=0).clamp_min(1e-12)
        found.append((directions.T @ directions).abs().clamp_max(1.0))
    return torch.stack(found).mean(0)


def _merged(distances: Tensor, strength: Tensor) -> Tensor:
    """Height [units] at which each unit's cluster is merged into a stronger one, with average linkage."""
    from sklearn.cluster import AgglomerativeClustering  # takes a second, which other criteria need not wait

    units = len(distances)
    scores = torch.ones(units, dtype=torch.float64)
    if units < 2:
        return scores
    tree = AgglomerativeClustering(n_clusters=1, metric="precomputed", linkage="average", compute_distances=True)
    tree.fit(distances.clamp_min(0).fill_diagonal_(0).numpy())
    stands_for = list(range(units))  # the unit that represents each cluster, leaves first
    for pair, height in zip(tree.children_.tolist(), tree.distances_.tolist(), strict=True):
        weaker, stronger = sorted((stands_for[child] for child in pair), key=lambda unit: float(strength[unit]))
        scores[weaker] = height
        stands_for.append(stronger)
    scores[stands_for[-1]] = max(1.0, float(scores.max()))
    return scores
