"""Criteria that look at the trained weights alone.

Where several layers make a group's channels (a residual stream, a depthwise convolution), each counts alike: its weight
is divided by its norm first (`Evidence.filters`), which for a single layer changes no order.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from autoprune.criteria.criterion import Need, criterion
from autoprune.criteria.evidence import Evidence, levelled
from autoprune.criteria.redundancy import one_of_each_pair

_BINS: Final = 32  # of the weights' histogram


@criterion("random", needs=Need.WEIGHTS, source="Mittal et al., WACV 2018 (Recovering from Random Pruning)")
def random(evidence: Evidence) -> Tensor:
    """Nothing: a seeded draw, what every other criterion has to beat.

    The draw knows units by number only, so it does not follow when they are renamed.
    """
    generator = torch.Generator().manual_seed(evidence.seed)
    return torch.rand(evidence.units, generator=generator, dtype=torch.float64)


@criterion("l1", needs=Need.WEIGHTS, source="Li et al., ICLR 2017 (Pruning Filters), section 3.1")
def l1(evidence: Evidence) -> Tensor:
    """Sum of the filter's absolute weights."""
    return evidence.filters.abs().sum(1)


@criterion("l2", needs=Need.WEIGHTS, source="He et al., IJCAI 2018 (Soft Filter Pruning)")
def l2(evidence: Evidence) -> Tensor:
    """Euclidean norm of the filter's weights."""
    norms: Tensor = evidence.filters.norm(dim=1)
    return norms


@criterion("l0", needs=Need.WEIGHTS, source="Han et al., NIPS 2015 (Learning both Weights and Connections)")
def l0(evidence: Evidence) -> Tensor:
    """Share of the filter's weights that are not zero.

    Equal for all filters of a network that no penalty or mask has made sparse; equals go by number.
    """
    return (evidence.filters != 0).double().mean(1)


@criterion(
    "weight-entropy",
    needs=Need.WEIGHTS,
    source="Hur & Kang, J. Supercomputing 75, 2019 (Entropy-based Pruning Method for CNNs)",
)
def weight_entropy(evidence: Evidence) -> Tensor:
    """Entropy of the histogram of the filter's weights, in nats.

    -sum p log p of the shares p of 32 bins over the range of all of the group's filters. A filter of equal
    weights has none. The paper sets a threshold for single weights by their information while it trains.
    """
    filters = evidence.filters.numpy()
    edges = np.histogram_bin_edges(filters, _BINS)
    counts = np.stack([np.histogram(own, edges)[0] for own in filters])
    return entropy(torch.from_numpy(counts))


@criterion("fpgm", needs=Need.WEIGHTS, source="He et al., CVPR 2019 (FPGM: Filter Pruning via Geometric Median)")
def fpgm(evidence: Evidence) -> Tensor:
    """Sum of distances to all other filters: those near the geometric median can be replaced by others.

    A filter of zeros has no place of its own here: it goes first because it lies amidst the others.
    """
    return torch.cdist(evidence.filters, evidence.filters).sum(1)


@criterion(
    "cosine", needs=Need.WEIGHTS, source="Ayinde, Inanc & Zurada, Neural Networks 118, 2019 (Redundant Feature Pruning)"
)
def cosine(evidence: Evidence) -> Tensor:
    """Cosine distance between filters at which one of the most similar pair left is dropped, pair by pair.

    The paper clusters filters by this distance, up to a threshold. A filter of zeros points nowhere and is
    dropped first.
    """
    norms = evidence.filters.norm(dim=1, keepdim=True)
    directions = evidence.filters / norms.clamp_min(1e-30)
    zero = norms.flatten() == 0
    scores = one_of_each_pair(directions @ directions.T)
    return torch.where(zero, -1.0, scores)


@criterion("bn-gamma", needs=Need.NORMS, source="Liu et al., ICCV 2017 (Network Slimming)")
def bn_gamma(evidence: Evidence) -> Tensor:
    """Absolute batch norm weight of the channel.

    Of several norms (a residual stream has many) each is divided by its own length, and all are added.
    Groups without a batch norm are not ranked.
    """
    return torch.cat([levelled(scale) for scale in evidence.scales], dim=1).abs().sum(1)


@criterion("lamp", needs=Need.WEIGHTS, source="Lee et al., ICLR 2021 (LAMP: Layer-Adaptive Sparsity), there of weights")
def lamp(evidence: Evidence) -> Tensor:
    """Squared norm of the filter as a share of the sum of all that are no smaller, its own among them.

    Within a group the order is that of `l2`: the score is made to compare layers, which widths decide here.
    """
    squared = evidence.filters.square().sum(1)
    descending = torch.argsort(squared, descending=True, stable=True)
    surviving = squared[descending].cumsum(0)
    scores = torch.empty_like(squared)
    scores[descending] = squared[descending] / surviving.clamp_min(1e-30)
    return scores


def entropy(counts: Tensor) -> Tensor:
    """Shannon entropy in nats [n] of histograms [n, bins]."""
    shares = counts.double() / counts.sum(1, keepdim=True)
    surprise: Tensor = torch.special.entr(shares)
    return surprise.sum(1)
