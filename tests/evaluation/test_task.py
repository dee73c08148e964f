from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from autoprune.errors import BadInput
from autoprune.evaluation.digits import digits
from autoprune.evaluation.images import Subset
from autoprune.evaluation.task import correct


def test_correct_is_one_where_the_largest_output_is_the_target() -> None:
    outputs = torch.tensor([[0.1, 0.9], [3.0, -1.0], [0.0, 1.0]])
    assert correct(outputs, torch.tensor([1, 0, 0])).tolist() == [1.0, 1.0, 0.0]


def test_a_task_needs_classes_images_and_a_shape() -> None:
    task = digits()
    with pytest.raises(BadInput, match="at least 2 classes"):
        replace(task, num_classes=1)
    with pytest.raises(BadInput, match="no training images"):
        replace(task, train=Subset(task.train, torch.tensor([], dtype=torch.int64)))
    with pytest.raises(BadInput, match="no test images"):
        replace(task, test=Subset(task.test, torch.tensor([], dtype=torch.int64)))
    with pytest.raises(BadInput, match="input_shape"):
        replace(task, input_shape=(1, 0, 8))
