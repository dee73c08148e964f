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


@criterion("taylor", needs=_NEEDS, source="Molchanov et al., ICLR 2017, section 2.2 (Taylor expansion)")
def taylor(evidence: Evidence) -> Tensor:
    """Mean over images of |g a|, the first-order change of the image's loss."""
    return given(evidence.gradients).gates.abs().mean(0)


@criterion(
    "taylor2", needs=_NEEDS, source="Molchanov et al., CVPR 2019, section on the method (first order), with gates"
)
def taylor2(evidence: Evidence) -> Tensor:
    """Mean over minibatches of (g w)^2, the squared first-order change of the batch's mean loss.

    A minibatch is 32 images, in their order.
    """
    batches = torch.split(given(evidence.gradients).gates, _MINIBATCH)
    return torch.stack([batch.mean(0).square() for batch in batches]).mean(0)


@criterion("fisher", needs=_NEEDS, source="Theis et al., 2018, section on Fisher pruning")
def fisher(evidence: Evidence) -> Tensor:
    """Half of the mean over images of (g a)^2, the empirical Fisher information of the unit's gate."""
    return given(evidence.gradients).gates.square().mean(0) / 2


@criterion("snip", needs=_NEEDS, source="Lee, Ajanthan & Torr, ICLR 2019, section on connection sensitivity")
def snip(evidence: Evidence) -> Tensor:
    """Connection sensitivity: sum over the filter's weights of |g w|, g of the mean loss, as a share of the group's."""
    pairs = zip(given(evidence.gradients).made, evidence.made, strict=True)
    sensitivity = torch.stack([(gradient * weight).abs().sum(1) for gradient, weight in pairs]).sum(0)
    return sensitivity / sensitivity.sum().clamp_min(1e-30)


@criterion(
    "movement", needs=Need.MOVEMENT | Need.LABELS, source="Sanh, Wolf & Rush, NeurIPS 2020, section on movement pruning"
)
def movement(evidence: Evidence) -> Tensor:
    """Minus the sum of w g over the filter and over steps of fine-tuning: what grows is kept, what shrinks goes.

    Only what moves is judged: a filter of zeros that does not move lies between both.
    """
    return torch.stack([own.sum(1) for own in given(evidence.movement)]).sum(0)
