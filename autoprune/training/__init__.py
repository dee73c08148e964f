"""Training on a task: fine-tuning and distillation."""

from autoprune.training.finetune import finetune
from autoprune.training.fit import Epoch, fit

__all__ = ["Epoch", "finetune", "fit"]
