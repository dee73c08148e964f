"""Criteria that ask the layers behind a group how well they can do without a unit.

All work on the second moments of those layers' inputs, which a refit needs anyway: no image is looked at again.
What the inputs amount to on average is left out of them, since the refitted layer's bias carries that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autoprune.criteria.criterion import Need, criterion
from autoprune.criteria.evidence import Consumer, Evidence
from autoprune.criteria.ranking import Ranking, added_up
from autoprune.criteria.redundancy import positions_of
from autoprune.criteria.removal import Removal, at_a_step

_A_TURN: Final = 4  # one in so many of the units left goes in a turn of LASSO and least squares


def eliminate(evidence: Evidence) -> Ranking:
    """The units in the order in which they are eliminated, with the damage added up on the way."""
    if not evidence.consumers:
        return Ranking.of(evidence.norm_shares, evidence)
    removals = [Removal(consumer) for consumer in evidence.consumers]
    left = torch.arange(evidence.units)
    order: list[Tensor] = []
    costs: list[Tensor] = []
    while len(left):
        cost = torch.stack([removal.costs(left) for removal in removals]).sum(0)
        cheapest = torch.argsort(cost, stable=True)[: at_a_step(len(left))]
        gone = left[cheapest]
        order.append(gone)
        costs.append(cost[cheapest])
        left = left[~torch.isin(left, gone)]
        for removal in removals if len(left) else []:
            removal.remove(gone)
    return Ranking(torch.cat(order).numpy(), added_up(torch.cat(costs)))


@criterion(
    "elimination",
    needs=Need.WEIGHTS | Need.MOMENTS,
    source="Hassibi & Stork, NIPS 1992 (Optimal Brain Surgeon), for channels, again after each",
    ranking=eliminate,
    partial=True,
)
def elimination(evidence: Evidence) -> Tensor:
    """Place in the order of backward elimination: the unit goes that a refit over the rest misses least.

    A group that no refittable layer reads is ranked by its weights' norm.
    """
    return positions_of(torch.from_numpy(eliminate(evidence).order))


@criterion("thinet", needs=Need.MOMENTS, source="Luo, Wu & Lin, ICCV 2017 (ThiNet), its greedy algorithm")
def thinet(evidence: Evidence) -> Tensor:
    """Place in ThiNet's greedy order: the unit goes whose contribution adds least to all that has gone.

    What is gone is missed as it was, without a refit: |sum over gone of x_j w_j|^2.
    """
    gram = _shares(evidence.consumers, [consumer.weight for consumer in evidence.consumers])
    order: list[int] = []
    increase = gram.diagonal().clone()
    for _ in range(evidence.units):
        order.append(int(increase.argmin()))
        increase += 2 * gram[order[-1]]
        increase[order[-1]] = torch.inf
    return positions_of(torch.tensor(order))


@criterion(
    "lasso", needs=Need.MOMENTS, source="He, Zhang & Sun, ICCV 2017 (Channel Pruning: LASSO and least squares in turns)"
)
def lasso(evidence: Evidence) -> Tensor:
    """Place in the order in which the LASSO lets units go, the weights refitted in turns.

    In each turn units are ranked by the penalty at which they leave the regression of the dense
    outputs on their contributions, a quarter of them goes, and least squares refits the others.
    """
    left = torch.arange(evidence.units)
    weights = [consumer.weight for consumer in evidence.consumers]
    order: list[Tensor] = []
    while len(left):
        leaving = torch.argsort(torch.from_numpy(_penalties(evidence.consumers, weights, left)), stable=True)
        gone = leaving[: -(-len(left) // _A_TURN)]
        order.append(left[gone])
        left = left[torch.ones(len(left), dtype=torch.bool).index_fill_(0, gone, False)]
        weights = [refitted(consumer, left) for consumer in evidence.consumers]
    return positions_of(torch.cat(order))


def refitted(consumer: Consumer, kept: Tensor) -> Tensor:
    """The consumer's weights [F, O] fitted by least squares over the `kept` units' inputs, zero elsewhere."""
    rows = consumer.rows[kept].reshape(-1)
    elsewhere = torch.ones(len(consumer.weight), dtype=torch.bool).index_fill_(0, consumer.rows.reshape(-1), False)
    rows = torch.cat([rows, elsewhere.nonzero().flatten()])  # inputs of other groups stay
    target = consumer.moments[rows] @ consumer.weight
    weight = torch.zeros_like(consumer.weight)
    weight[rows] = torch.cholesky_solve(target, torch.linalg.cholesky(consumer.moments[rows][:, rows]))
    return weight


def _penalties(consumers: tuple[Consumer, ...], weights: list[Tensor], left: Tensor) -> NDArray[np.float64]:
    """The largest LASSO penalty at which each unit of `left` still takes part, 0 where it never does.

    Contributions are x_i w_i / |w_i|, as the paper's constraint has it.
    """
    from sklearn.linear_model import lars_path_gram  # takes a second, which other criteria need not wait

    length = torch.stack([_length(c, w) for c, w in zip(consumers, weights, strict=True)]).sum(0).sqrt()[left]
    scale = torch.where(length > 0, 1 / length.clamp_min(1e-30), 0.0)
    gram = _shares(consumers, weights)[left][:, left] * torch.outer(scale, scale)
    target = torch.stack([_agreement(c, w) for c, w in zip(consumers, weights, strict=True)]).sum(0)[left] * scale
    alphas, _, coefficients = lars_path_gram(
        target.numpy(), gram.numpy(), n_samples=1, max_iter=8 * len(left), method="lasso"
    )
    takes_part = coefficients != 0
    first = takes_part.argmax(axis=1)
    return np.where(takes_part.any(axis=1), alphas[np.maximum(first - 1, 0)], 0.0)


def _length(consumer: Consumer, weight: Tensor) -> Tensor:
    return weight[consumer.rows].square().sum((1, 2)) / consumer.energy


def _agreement(consumer: Consumer, weight: Tensor) -> Tensor:
    """Inner product of each unit's contribution with the dense output [units], as a share of that one's energy."""
    products = (weight * (consumer.moments @ consumer.weight)).sum(1)
    return products[consumer.rows].sum(1) / consumer.energy


def _shares(consumers: tuple[Consumer, ...], weights: list[Tensor]) -> Tensor:
    """Inner products of the units' contributions to the outputs [units, units], added over consumers as shares."""
    grams = [_contributions(c, w) / c.energy for c, w in zip(consumers, weights, strict=True)]
    return torch.stack(grams).sum(0)


def _contributions(consumer: Consumer, weight: Tensor) -> Tensor:
    """Inner products [units, units] of what each unit contributes to the layer's output: tr(W_i^T H_ij W_j)."""
    features = consumer.rows.reshape(-1)
    own = weight[features]
    products = consumer.moments[features][:, features] * (own @ own.T)
    units, each = consumer.rows.shape
    return products.view(units, each, units, each).sum((1, 3))
