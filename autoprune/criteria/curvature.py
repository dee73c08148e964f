"""Criteria that look at the second derivatives of an error, of the loss or of a layer's own output."""

from __future__ import annotations

import torch
from torch import Tensor

from autoprune.criteria.criterion import Need, criterion
from autoprune.criteria.evidence import Evidence, given
from autoprune.criteria.removal import Removal


@criterion(
    "taylor-second-order",
    needs=Need.GRADIENTS | Need.CURVATURE | Need.LABELS,
    source="Molchanov et al., CVPR 2019 (Importance Estimation), second order, of gates",
)
def taylor_second_order(evidence: Evidence) -> Tensor:
    """(g - h / 2)^2, the squared second-order change of the loss when the unit's gate goes from 1 to 0.

    g and h are the first and second derivative of the mean loss by the gate: of the Hessian its diagonal alone,
    as in the authors' code.
    """
    gradient = given(evidence.gradients).gates.mean(0)
    return (gradient - given(evidence.curvature).gates / 2).square()


@criterion(
    "obd",
    needs=Need.CURVATURE | Need.LABELS,
    source="LeCun, Denker & Solla, NIPS 1989 (Optimal Brain Damage); h by Bekas et al., 2007",
)
def obd(evidence: Evidence) -> Tensor:
    """Sum over the filter's weights of h w^2 / 2, with h the diagonal of the loss's Hessian.

    h is estimated with random signs z as the mean of z (H z) (Bekas, Kokiopoulou & Saad, Appl. Numer. Math. 57,
    after Hutchinson, 1989), where the paper propagates it back. At a minimum h is nowhere negative; where its
    estimate is, it counts as 0.
    """
    pairs = zip(given(evidence.curvature).made, evidence.made, strict=True)
    return torch.stack([(h.clamp_min(0) * weight.square()).sum(1) / 2 for h, weight in pairs]).sum(0)


@criterion("obs", needs=Need.MOMENTS, source="Hassibi & Stork, NIPS 1992 (Optimal Brain Surgeon), for channels")
def obs(evidence: Evidence) -> Tensor:
    """What the layers that read the unit lose without it, refitted: tr(W_S^T (H^-1_SS)^-1 W_S), S its inputs.

    Each unit is removed alone, with all others there; `elimination` looks again after each. Layers
    count by the share of their output's energy.
    """
    units = torch.arange(evidence.units)
    return torch.stack([Removal(consumer).costs(units) for consumer in evidence.consumers]).sum(0)
