"""The pruned network learns from the dense one."""

from __future__ import annotations

from torch import nn

from autoprune.training.recipes.one_shot import prune
from autoprune.training.recipes.recipe import Context, Pruned, Recipe

_WEIGHT, _TEMPERATURE = 0.9, 4.0


def taught(context: Context, pruned: Pruned) -> nn.Module:
    """Fine-tuned toward the labels a little, and toward the dense network's softened outputs for the rest."""
    spec = context.spec.finetuning.model_copy(update={"distillation": _WEIGHT, "temperature": _TEMPERATURE})
    return context.train(pruned.network, spec, "recovery", teacher=context.dense, judged=True)


DISTILLATION = Recipe(
    "distillation",
    "after training",
    "prune once, then learn from the dense network's softened outputs",
    "Hinton, Vinyals & Dean, 2015 (Distilling the Knowledge in a Neural Network)",
    prune,
    taught,
)
