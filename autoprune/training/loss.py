"""The loss of a student: the labels, and a teacher's softened outputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.errors import BadInput
from autoprune.training.mixup import Labels


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) in nats, the batch mean (Hinton et al., 2015).

    Both logits are (N, classes). The factor T^2 keeps the gradient's size when T changes.
    """
    log_student = F.log_softmax(student / temperature, dim=1)
    log_teacher = F.log_softmax(teacher / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


@dataclass(frozen=True, slots=True)
class Loss:
    """(1 - distillation) x cross-entropy with the labels + distillation x `distillation_loss` to `teacher`."""

    teacher: nn.Module | None = None
    distillation: float = 0.0
    temperature: float = 4.0

    def __post_init__(self) -> None:
        if not 0 <= self.distillation <= 1:
            raise BadInput(f"distillation is a weight in [0, 1], got {self.distillation}")
        if not self.temperature > 0:
            raise BadInput(f"the temperature is positive, got {self.temperature}")
        if self.distillation and self.teacher is None:
            raise BadInput(f"distillation = {self.distillation} needs a teacher; give one, or set distillation = 0")

    def __call__(self, inputs: Tensor, outputs: Tensor, labels: Labels) -> Tensor:
        """The mean loss of a batch: inputs (N, ...), the student's outputs (N, classes), and N labels."""
        loss = labels.cross_entropy(outputs)
        if self.teacher is None or not self.distillation:
            return loss
        with torch.no_grad():
            wanted = self.teacher(inputs)
        soft = distillation_loss(outputs, wanted, self.temperature)
        return (1 - self.distillation) * loss + self.distillation * soft
