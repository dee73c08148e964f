"""Tasks, data splits, and the score of a network."""

from autoprune.evaluation.augment import Augment, Augmentation
from autoprune.evaluation.images import ImageSet, Normalisation, PixelSet
from autoprune.evaluation.registry import builtin_tasks, load_task
from autoprune.evaluation.splits import Split, Splits, draw_splits
from autoprune.evaluation.task import Score, Task

__all__ = [
    "Augment",
    "Augmentation",
    "ImageSet",
    "Normalisation",
    "PixelSet",
    "Score",
    "Split",
    "Splits",
    "Task",
    "builtin_tasks",
    "draw_splits",
    "load_task",
]
