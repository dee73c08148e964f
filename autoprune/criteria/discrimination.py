"""Criteria that ask which units tell the classes apart."""

from __future__ import annotations

import torch
from torch import Tensor

from autoprune.criteria.criterion import Need, criterion
from autoprune.criteria.evidence import Consumer, Evidence, Reader, given, levelled
from autoprune.criteria.reconstruction import refitted
from autoprune.criteria.redundancy import positions_of
from autoprune.criteria.removal import at_a_step


@criterion(
    "dcp",
    needs=Need.MOMENTS | Need.GRADIENTS | Need.LABELS,
    source="Zhuang et al., NeurIPS 2018 (Discrimination-aware Channel Pruning)",
)
def dcp(evidence: Evidence) -> Tensor:
    """Place in DCP's greedy selection: the unit is taken whose weights have the largest gradient of both losses.

    The losses are the reconstruction's, whose weights are refitted over what was taken so far, and
    the discrimination's, whose gradient starts with the same length. That one is taken once, at the
    trained weights, and of the network's own head, where the paper trains a head for every stage and
    takes the gradient anew for each channel.
    """
    consumers, nothing = evidence.consumers, torch.arange(0)
    discrimination = [levelled(gradient) for gradient in given(evidence.gradients).read]
    lengths = [_missing(consumer, nothing).norm().clamp_min(1e-30) for consumer in consumers]
    taken, left = nothing, torch.arange(evidence.units)
    while len(left):
        gradients = [
            (own - _missing(consumer, taken) / length)[consumer.rows]
            for consumer, own, length in zip(consumers, discrimination, lengths, strict=True)
        ]
        squared = torch.stack([gradient.square().sum((1, 2)) for gradient in gradients]).sum(0)
        best = left[torch.argsort(squared[left], descending=True, stable=True)[: at_a_step(len(left))]]
        taken = torch.cat([taken, best])
        left = left[~torch.isin(left, best)]
    return positions_of(taken.flip(0))


@criterion(
    "lda",
    needs=Need.ACTIVATIONS | Need.LABELS,
    source="Tian, Arbel & Clark, 2017 (Deep LDA-Pruned Nets), after Fisher, 1936",
)
def lda(evidence: Evidence) -> Tensor:
    """Fisher's ratio of a unit's mean activations over images: variance between the classes over that within them."""
    labels = given(evidence.labels)
    return torch.stack([_ratio(reader, labels) for reader in given(evidence.readers)]).mean(0)


def _missing(consumer: Consumer, taken: Tensor) -> Tensor:
    """Minus the gradient [F, O] of the reconstruction's loss, when only the units `taken` are in use, refitted."""
    return consumer.moments @ (consumer.weight - refitted(consumer, taken))


def _ratio(reader: Reader, labels: Tensor) -> Tensor:
    """Between-class over within-class variance [units]; 0 for a unit that does not vary."""
    pooled = reader.values.double().mean(1)
    member = torch.nn.functional.one_hot(labels).double()  # [images, classes]
    means = (member.T @ pooled) / member.sum(0).clamp_min(1)[:, None]
    between = (member.sum(0)[:, None] * (means - pooled.mean(0)).square()).sum(0)
    within = (pooled - means[labels]).square().sum(0)
    varies = between + within > 1e-12 * pooled.square().sum(0)
    return torch.where(varies, between / within.clamp_min(1e-30), 0.0)
