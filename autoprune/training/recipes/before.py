"""Pruning before training: channels are chosen at random weights, and the small network is trained from there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from autoprune.training.initialisation import initialised
from autoprune.training.recipes.recipe import Context, Pruned, Recipe, Scores, numbers

_IMAGES = 256


def trained(context: Context, pruned: Pruned) -> nn.Module:
    """The small network trained as the dense one would be, from its random weights."""
    return context.train(pruned.network, context.spec.original, "recovery")


def random(context: Context) -> Pruned:
    """Channels drawn at random, of all groups alike."""
    generator = torch.Generator().manual_seed(context.seed)
    scores = numbers([torch.rand(units, generator=generator) for units in context.traced.units])
    return context.cut(initialised(context.dense, context.seed), scores)


def snip(context: Context) -> Pruned:
    """Channels by how much the loss of random weights hangs on them."""
    start = initialised(context.dense, context.seed)
    return context.cut(start, sensitivities(context, start))


def sensitivities(context: Context, network: nn.Module) -> Scores:
    """|dL/dc| of a gate c = 1 on what reads each unit, on one batch, in nats (eq. 5, there on each weight)."""
    inputs, targets = context.data.train.batch(torch.arange(min(_IMAGES, len(context.data.train))))
    gates = [torch.ones(units, requires_grad=True) for units in context.traced.units]
    network.train()
    outputs = torch.func.functional_call(network, context.channels.gated(network, gates), (inputs,))
    slopes = torch.autograd.grad(F.cross_entropy(outputs, targets), gates)
    network.eval()
    return numbers([slope.abs() for slope in slopes])


BEFORE = (
    Recipe(
        "random-at-initialisation",
        "before training",
        "random channels of an untrained network, which is then trained: what every other recipe has to beat",
        "Liu et al., ICLR 2019 (Rethinking the Value of Network Pruning: trained from scratch)",
        random,
        trained,
    ),
    Recipe(
        "snip",
        "before training",
        "channels of an untrained network by the gradient of a gate on each, which is then trained",
        "Lee, Ajanthan & Torr, ICLR 2019 (SNIP), section 4.1, eq. 5 and 6",
        snip,
        trained,
    ),
)
