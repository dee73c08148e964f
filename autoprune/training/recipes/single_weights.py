"""Single weights of the trained network go at once, by OBD or by Wanda; then the channels that are hardly read."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from autoprune.pruning.curvature import gauss_newton
from autoprune.pruning.features import is_linear_map
from autoprune.pruning.learning import gradients_to
from autoprune.pruning.statistics import gather
from autoprune.training.recipes.gates import saved_share
from autoprune.training.recipes.masked import Masked, cut_unread
from autoprune.training.recipes.recipe import Context, Pruned, Recipe

_IMAGES, _BATCH, _PROBES = 512, 32, 4  # that curvature is estimated on, and how often with each batch

Weights = Mapping[str, Tensor]
"""A number a weight, by the name of the parameter and of its shape; of masks 1 where it is kept, else 0."""


def saliency(weight: Tensor, curvature: Tensor) -> Tensor:
    """h w^2 / 2, by which the loss rises at a minimum, to second order."""
    return curvature * weight.square() / 2


def wanda(weight: Tensor, norms: Tensor) -> Tensor:
    """|W_ij| ||x_j|| for a weight [out, ...] whose inputs, flattened, have the Euclidean `norms` [features]."""
    return (weight.abs().flatten(1) * norms).view_as(weight)


def without_lowest(scores: Weights, share: float) -> Weights:
    """Weights that leave out the `share` in [0, 1] of lowest scores, of all tensors together."""
    every = torch.cat([own.flatten() for own in scores.values()])
    order = torch.argsort(every, stable=True)
    kept = torch.ones_like(every)
    kept[order[: round(share * len(every))]] = 0
    parts = torch.split(kept, [own.numel() for own in scores.values()])
    return {name: part.view_as(own) for (name, own), part in zip(scores.items(), parts, strict=True)}


def without_lowest_of_each_output(scores: Tensor, share: float) -> Tensor:
    """A mask [out, ...] that leaves out the `share` of lowest scores in each row of its own."""
    rows = scores.flatten(1)
    order = torch.argsort(rows, dim=1, stable=True)[:, : round(share * rows.shape[1])]
    return torch.ones_like(rows).scatter(1, order, 0.0).view_as(scores)


def prune_by_obd(context: Context) -> Pruned:
    """The weights of least saliency go, of all layers together."""
    found = curvatures(context, context.channels.read_by)
    scores = {name: saliency(context.dense.get_parameter(name).detach(), h) for name, h in found.items()}
    return _pruned(context, without_lowest(scores, saved_share(context)))


def prune_by_wanda(context: Context) -> Pruned:
    """Of each output's weights those go that multiply little; layers that are no linear map stay whole."""
    modules, share = dict(context.dense.named_modules()), saved_share(context)
    layers = [name.removesuffix(".weight") for name in context.channels.read_by]
    moments = gather(
        context.dense, [n for n in layers if n in modules and is_linear_map(modules[n])], context.calibration
    )
    masks = {}
    for layer, own in moments.items():
        norms = (own.n * (own.covariance.diagonal() + own.mean.square())).sqrt().float()
        weight = context.dense.get_parameter(f"{layer}.weight").detach()
        masks[f"{layer}.weight"] = without_lowest_of_each_output(wanda(weight, norms), share)
    return _pruned(context, masks)


def curvatures(context: Context, names: tuple[str, ...]) -> Weights:
    """h, by the weights `names`, of the dense network's mean loss on training images: see `gauss_newton`."""
    network, train = copy.deepcopy(context.dense), context.data.train
    weights = [network.get_parameter(name) for name in names]
    rng, images = torch.Generator().manual_seed(context.seed), torch.arange(min(_IMAGES, len(train)))
    total = [torch.zeros_like(weight) for weight in weights]
    with gradients_to(weights, network):
        for chosen in torch.split(images, _BATCH):
            outputs = network(train.batch(chosen)[0])
            for _ in range(_PROBES):
                total = [before + own for before, own in zip(total, gauss_newton(outputs, weights, rng), strict=True)]
    return {name: own / (_PROBES * len(images)) for name, own in zip(names, total, strict=True)}


def _pruned(context: Context, masks: Weights) -> Pruned:
    method = Masked(context.dense, tuple(masks))
    for name, mask in masks.items():
        method.masks[name].copy_(mask)
    return cut_unread(context, copy.deepcopy(context.dense), method)


SINGLE_WEIGHTS = (
    Recipe(
        "obd-weights",
        "after training",
        "single weights go by h w^2 / 2 at once; channels that are hardly read any more are then cut",
        "LeCun, Denker & Solla, NIPS 1989 (Optimal Brain Damage)",
        prune_by_obd,
    ),
    Recipe(
        "wanda-weights",
        "after training",
        "single weights go by |w| ||x||, output by output; channels that are hardly read any more are then cut",
        "Sun et al., ICLR 2024 (Wanda: A Simple and Effective Pruning Approach for LLMs)",
        prune_by_wanda,
    ),
)
