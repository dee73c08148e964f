from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autoprune.errors import BadInput
from autoprune.evaluation.splits import Split
from autoprune.training.checkpoint import BestCheckpoint, judge
from autoprune.training.data import correct
from autoprune.training.loss import Loss


class _Fixed(nn.Module):
    """Answers `logits` whatever it is asked."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(len(x), -1)


def _samples(targets: list[int]) -> Split:
    count = len(targets)
    return Split(torch.zeros(count, 1, 2, 2), torch.tensor(targets), torch.arange(count))


def test_judge_averages_over_all_samples() -> None:
    network = _Fixed(torch.log(torch.tensor([[0.75, 0.25]])))
    score, loss = judge(network, _samples([0] * 200 + [1] * 100), correct)
    assert score == pytest.approx(2 / 3)
    expected = -(2 * torch.log(torch.tensor(0.75)) + torch.log(torch.tensor(0.25))) / 3
    assert loss == pytest.approx(float(expected), rel=1e-5)


def test_the_best_score_is_restored_the_lowest_loss_among_equals() -> None:
    network = _Fixed(torch.tensor([[0.0, 1.0]]))
    best = BestCheckpoint(network, _samples([0]), correct)  # starts with a mistake
    for logits in ([[1.0, 0.0]], [[3.0, 0.0]], [[2.0, 0.0]], [[0.0, 5.0]]):
        network.logits.data = torch.tensor(logits)
        best.offer()
    best.restore()
    assert network.logits.tolist() == [[3.0, 0.0]]


def test_the_start_is_a_candidate() -> None:
    network = _Fixed(torch.tensor([[1.0, 0.0]]))
    best = BestCheckpoint(network, _samples([0]), correct)
    with torch.no_grad():
        network.logits.copy_(torch.tensor([[0.0, 1.0]]))
    assert best.offer()[0] == 0.0
    best.restore()
    assert network.logits.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(("wrong_now", "is_kept"), [(11, True), (14, False)])
def test_a_score_that_may_be_lower_by_chance_does_not_rule_out_who_is_nearer(wrong_now: int, is_kept: bool) -> None:
    """Of 100 samples 10 are wrong at the start; one standard error is 3 of them."""
    teacher, network = _Fixed(torch.tensor([[2.0, 0.0]])), _Fixed(torch.tensor([[1.0, 0.0]]))
    wrong = iter([10, wrong_now])

    def score(_outputs: Tensor, targets: Tensor) -> Tensor:
        return (torch.arange(len(targets)) >= next(wrong)).float()

    best = BestCheckpoint(network, _samples([0] * 100), score, Loss(teacher, 1.0, 1.0))
    network.logits.data = torch.tensor([[2.0, 0.0]])
    best.offer()
    best.restore()
    assert network.logits.tolist() == [[2.0, 0.0] if is_kept else [1.0, 0.0]]


def test_with_a_teacher_the_nearest_to_it_is_restored_that_scores_no_lower_than_the_start() -> None:
    teacher = _Fixed(torch.tensor([[2.0, 1.9, 0.0]]))
    network = _Fixed(torch.tensor([[1.0, 0.0, 0.0]]))  # right, and far from the teacher
    best = BestCheckpoint(network, _samples([0]), correct, Loss(teacher, 1.0, 1.0))
    for logits in ([[2.0, 1.5, 0.0]], [[5.0, 0.0, 0.0]], [[2.0, 2.01, 0.0]]):  # nearer; surer; nearest, but wrong
        network.logits.data = torch.tensor(logits)
        best.offer()
    best.restore()
    assert network.logits.tolist() == [[2.0, 1.5, 0.0]]


def test_no_samples_are_refused() -> None:
    class Nothing:
        def __len__(self) -> int:
            return 0

        def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
            raise AssertionError(indices)

    with pytest.raises(BadInput, match="empty"):
        judge(_Fixed(torch.zeros(1, 2)), Nothing(), correct)
