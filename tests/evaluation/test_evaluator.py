"""The evaluator: qualities by hand, in order, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoprune.errors import BadInput
from autoprune.evaluation.digits import digits
from autoprune.evaluation.evaluator import Evaluator, scores
from autoprune.evaluation.images import ImageSet, Subset
from autoprune.evaluation.inference import outputs
from autoprune.objective import Quality
from autoprune.space import Policy

TASK = digits()
IMAGES = Subset(TASK.train, torch.arange(300))  # more than one batch, the last one not full


class Linear(nn.Module):
    """Logits of flattened images; `change` is what a policy would do to them."""

    def __init__(self, change: Callable[[Tensor], Tensor] = lambda y: y) -> None:
        super().__init__()
        self.fc, self.change = nn.Linear(64, 10, bias=False), change
        with torch.no_grad():
            self.fc.weight.copy_(torch.randn(10, 64, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: Tensor) -> Tensor:
        return self.change(self.fc(x.flatten(1)))


def evaluator(apply: Callable[[Policy], nn.Module] = lambda _: Linear()) -> Evaluator:
    return Evaluator(Linear(), apply, IMAGES, TASK)


def all_at_once() -> tuple[Tensor, Tensor]:
    inputs, targets = IMAGES.batch(torch.arange(len(IMAGES)))
    with torch.no_grad():
        return Linear()(inputs), targets


@pytest.mark.parametrize("batch", [1, 7, 128, 1000])
def test_outputs_are_in_order_whatever_the_batch(batch: int) -> None:
    expected, targets = all_at_once()
    answers, found = outputs(Linear(), IMAGES, batch)
    torch.testing.assert_close(answers, expected)
    assert torch.equal(found, targets)


def test_outputs_are_those_of_eval_mode() -> None:
    model = nn.Sequential(Linear(), nn.Dropout(0.9)).train()
    answers, _ = outputs(model, IMAGES)
    torch.testing.assert_close(answers, all_at_once()[0])


def test_scores_judge_each_image() -> None:
    answers, targets = all_at_once()
    assert torch.equal(scores(Linear(), IMAGES, TASK), (answers.argmax(1) == targets).float())


def test_the_dense_network_agrees_with_itself() -> None:
    answers, targets = all_at_once()
    quality = evaluator().quality_of(Policy((1,)))
    accuracy = float((answers.argmax(1) == targets).double().mean())
    assert quality.score == pytest.approx(accuracy)
    assert (quality.agreement, quality.kl) == (1.0, 0.0)
    assert 0 < accuracy < 1


def test_a_changed_network_is_compared_image_by_image() -> None:
    """Two classes are swapped: agreement and KL(dense || pruned) against torch's own divergence."""

    def swapped(y: Tensor) -> Tensor:
        return 0.5 * y[:, [1, 0, *range(2, 10)]]

    answers, targets = all_at_once()
    other = swapped(answers)
    quality = evaluator().quality(Linear(swapped))
    assert quality.score == pytest.approx(float((other.argmax(1) == targets).double().mean()))
    assert quality.agreement == pytest.approx(float((other.argmax(1) == answers.argmax(1)).double().mean()))
    divergence = F.kl_div(other.log_softmax(1), answers.log_softmax(1), reduction="batchmean", log_target=True)
    assert quality.kl == pytest.approx(float(divergence), rel=1e-4)
    assert 0 < quality.agreement < 1


def test_policies_are_scored_in_order_each_when_it_is_asked_for() -> None:
    applied: list[Policy] = []

    def apply(policy: Policy) -> nn.Module:
        applied.append(policy)
        return Linear(lambda y: y * (1 if policy.widths[0] == 1 else -1))

    qualities = evaluator(apply)([Policy((1,)), Policy((2,))])
    assert applied == []
    assert next(qualities).agreement == 1.0
    assert applied == [Policy((1,))]
    assert next(qualities).agreement < 0.5
    assert applied == [Policy((1,)), Policy((2,))]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_pruned_network_that_breaks_has_no_quality(bad: float) -> None:
    quality = evaluator().quality(Linear(lambda y: y * bad))
    assert all(math.isnan(value) for value in (quality.score, quality.agreement, quality.kl))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y * math.nan, "NaN or infinity on the task's images"),
        (lambda y: y[:, :9], r"digits needs outputs of shape \[N, 10\], the network gives \[300, 9\]"),
        (lambda y: y[:, 0], r"the network gives \[300\]"),
        (lambda y: (y, y), r"one tensor \[N, classes\], this gives a tuple"),
    ],
)
def test_a_dense_network_that_does_not_fit_the_task_is_refused(
    change: Callable[[Tensor], Tensor], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        Evaluator(Linear(change), lambda _: Linear(), IMAGES, TASK)


def fitted() -> Linear:
    """A linear classifier that knows most digits."""
    model, (inputs, targets) = Linear(), TASK.train.batch(torch.arange(len(TASK.train)))
    answers = 8 * F.one_hot(targets, 10).double() - 4
    with torch.no_grad():
        model.fc.weight.copy_(torch.linalg.lstsq(inputs.flatten(1).double(), answers, driver="gelsd").solution.T)
    return model


class Noisy(nn.Module):
    """The classifier's logits with noise of a size, the same for the same image."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.dense, self.size = fitted(), size

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.dense(x)
        return logits + self.size * torch.sin(1e4 * logits)


def noisy(policy: Policy) -> nn.Module:
    return Noisy(policy.widths[0])


class Counted:
    """Images that know how many of them were asked for."""

    def __init__(self, whole: ImageSet) -> None:
        self.whole, self.asked = whole, 0

    def __len__(self) -> int:
        return len(self.whole)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        self.asked += len(indices)
        return self.whole.batch(indices)


def seen(evaluator: Evaluator, policy: Policy, images: Counted) -> tuple[Quality, int]:
    """A policy's quality, and how many images it was run on."""
    before = images.asked
    return evaluator.quality_of(policy), images.asked - before


MANY = Subset(TASK.train, torch.arange(1000))


def test_who_is_clearly_worse_than_the_rival_is_not_run_on_all_images() -> None:
    counted = Counted(MANY)
    race = Evaluator(fitted(), noisy, counted, TASK, rival=Policy((4,)))
    whole = Evaluator(fitted(), noisy, MANY, TASK)
    for width, images in ((1, 1000), (4, 1000), (60, 256)):
        quality, count = seen(race, Policy((width,)), counted)
        exact = whole.quality_of(Policy((width,)))
        assert count == images
        if images == 1000:
            assert quality == exact
        else:
            assert quality.score == pytest.approx(exact.score, abs=0.08)
            assert quality.kl == pytest.approx(exact.kl, rel=0.1)


def test_a_race_has_the_winner_that_scoring_everybody_has() -> None:
    race = Evaluator(fitted(), noisy, MANY, TASK, rival=Policy((9,)))
    whole = Evaluator(fitted(), noisy, MANY, TASK)
    policies = [Policy((width,)) for width in range(3, 60, 3)]

    def best(evaluator: Evaluator, key: Callable[[Quality], float]) -> Policy:
        return max(policies, key=lambda policy: key(evaluator.quality_of(policy)))

    for key in (lambda q: q.score, lambda q: -q.kl, lambda q: q.agreement):
        assert best(race, key) == best(whole, key)


def test_a_rival_on_few_images_changes_nothing() -> None:
    few = Counted(Subset(TASK.train, torch.arange(256)))
    race = Evaluator(fitted(), noisy, few, TASK, rival=Policy((1,)))
    exact = Evaluator(fitted(), noisy, few, TASK).quality_of(Policy((60,)))
    assert race.quality_of(Policy((60,))) == exact
    assert seen(race, Policy((60,)), few) == (exact, 256)


def test_answers_that_are_not_numbers_lose_every_race() -> None:
    def apply(policy: Policy) -> nn.Module:
        return Linear(lambda y: y * (math.nan if policy.widths[0] == 1 else 1))

    quality = Evaluator(Linear(), apply, MANY, TASK, rival=Policy((2,))).quality_of(Policy((1,)))
    assert all(math.isnan(value) for value in (quality.score, quality.agreement, quality.kl))
