"""Criteria that ask the loss: how much it would change if a unit were gone.

A unit is gone when everyone who reads it reads zero. So it is gated there, by one factor for all readers, and the
derivative by that factor is the sum of g a over all that is read: the first-order change of the loss, up to its sign.
Of a layer without a bias that alone makes what is read, through a ReLU, it equals the sum of g w over the filter.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from autoprune.criteria.criterion import Need, criterion
from autoprune.criteria.evidence import Evidence, given

_MINIBATCH: Final = 32
_NEEDS: Final = Need.GRADIENTS | Need.LABELS


@criterion("taylor", needs=_NEEDS, source="Molchanov et al., ICLR 2017 (Pruning CNNs), section 2.2, eq. 8")
def taylor(evidence: Evidence) -> Tensor:
    """Mean over images of |g a|, the first-order change of the image's loss.

    g a is summed over positions, where the paper takes their mean: in one group that is the same order.
    """
    return given(evidence.gradients).gates.abs().mean(0)


@criterion("taylor2", needs=_NEEDS, source="Molchanov et al., CVPR 2019 (Importance Estimation), first order, of gates")
def taylor2(evidence: Evidence) -> Tensor:
    """Mean over minibatches of (g w)^2, the squared first-order change of the batch's mean loss.

    w is a gate before the unit, at 1, and a minibatch 32 images, in their order.
    """
    batches = torch.split(given(evidence.gradients).gates, _MINIBATCH)
    return torch.stack([batch.mean(0).square() for batch in batches]).mean(0)


@criterion("fisher", needs=_NEEDS, source="Theis et al., 2018 (Faster gaze prediction: Fisher pruning)")
def fisher(evidence: Evidence) -> Tensor:
    """Half of the mean over images of (g a)^2, the empirical Fisher information of the unit's gate.

    sum_n g_n^2 / 2N, g_n the gradient of image n's loss by the gate: g a summed over positions.
    """
    return given(evidence.gradients).gates.square().mean(0) / 2


@criterion("snip", needs=_NEEDS, source="Lee, Ajanthan & Torr, ICLR 2019 (SNIP), section 4.1, eq. 6, there of weights")
def snip(evidence: Evidence) -> Tensor:
    """Connection sensitivity: sum over the filter's weights of |g w|, g of the mean loss, as a share of the group's.

    Of the network as it is; the recipe `snip` asks it before any training, as the paper does.
    """
    pairs = zip(given(evidence.gradients).made, evidence.made, strict=True)
    sensitivity = torch.stack([(gradient * weight).abs().sum(1) for gradient, weight in pairs]).sum(0)
    return sensitivity / sensitivity.sum().clamp_min(1e-30)


@criterion(
    "movement", needs=Need.MOVEMENT | Need.LABELS, source="Sanh, Wolf & Rush, NeurIPS 2020 (Movement Pruning), eq. 3"
)
def movement(evidence: Evidence) -> Tensor:
    """Minus the sum of w g over the filter and over steps of fine-tuning: what grows is kept, what shrinks goes.

    Only what moves is judged: a filter of zeros that does not move lies between both. The paper masks
    weights while it trains; here all take part.
    """
    return torch.stack([own.sum(1) for own in given(evidence.movement)]).sum(0)
