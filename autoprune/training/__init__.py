"""Training on a task: fine-tuning, distillation, and the recipes that say when and how to prune."""

from autoprune.training.data import Data
from autoprune.training.fit import fit, require_devices
from autoprune.training.loop import Epoch

__all__ = ["Data", "Epoch", "fit", "require_devices"]
