from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from autoprune.errors import BadInput
from autoprune.training.loss import Loss, distillation_loss
from autoprune.training.mixup import Labels


def test_distillation_by_hand() -> None:
    """At T = 2, teacher (0, 2 ln 3) is (1/4, 3/4) softened and student (0, 0) is (1/2, 1/2)."""
    teacher = torch.tensor([[0.0, 2 * math.log(3)]])
    expected = 4 * (0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5))
    assert float(distillation_loss(torch.zeros(1, 2), teacher, 2.0)) == pytest.approx(expected, rel=1e-5)


@given(temperature=st.floats(0.5, 20), seed=st.integers(0, 1000))
def test_distillation_is_least_where_student_and_teacher_agree(temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    teacher, student = torch.randn(2, 4, 5, generator=generator)
    assert float(distillation_loss(teacher, teacher, temperature)) == pytest.approx(0, abs=1e-4)
    assert float(distillation_loss(student, teacher, temperature)) > 0


def test_the_weight_mixes_labels_and_teacher() -> None:
    teacher = nn.Linear(3, 4)
    inputs, targets = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 0])
    outputs = torch.randn(5, 4, requires_grad=True)
    labels = F.cross_entropy(outputs, targets)
    soft = distillation_loss(outputs, teacher(inputs), 3.0)
    mixed = Loss(teacher, 0.25, 3.0)(inputs, outputs, Labels(targets))
    torch.testing.assert_close(mixed, 0.75 * labels + 0.25 * soft)
    mixed.backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    assert teacher.weight.grad is None
    torch.testing.assert_close(Loss()(inputs, outputs, Labels(targets)), labels)


def test_impossible_losses_are_refused() -> None:
    with pytest.raises(BadInput, match="needs a teacher"):
        Loss(None, 0.5)
    with pytest.raises(BadInput, match=r"weight in \[0, 1\]"):
        Loss(nn.Linear(1, 1), 1.5)
    with pytest.raises(BadInput, match="temperature"):
        Loss(nn.Linear(1, 1), 0.5, 0.0)
