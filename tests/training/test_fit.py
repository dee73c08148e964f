from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from autoprune.errors import BadInput, Diverged
from autoprune.evaluation.digits import digits
from autoprune.evaluation.images import Subset
from autoprune.evaluation.splits import Splits, draw_splits
from autoprune.models import fingerprint, load_model
from autoprune.spec import ModelSpec, TaskSpec, TrainingSpec
from autoprune.training import Data, Epoch, fit
from autoprune.training.checkpoint import judge
from autoprune.training.data import correct


@cache
def _splits() -> Splits:
    sizes = TaskSpec(name="digits", calibration=64, validation=149, selection=149)
    return draw_splits(digits(), sizes, seed=0)


def _few() -> Subset:
    return Subset(_splits().train, torch.arange(97))


def _network(seed: int = 0) -> nn.Module:
    return load_model(ModelSpec(name="digits_cnn", options={"widths": [8, 8, 16]}), seed=seed)


def _fit(model: nn.Module, **changes: Any) -> nn.Module:
    """`model` trained on 97 digits for two epochs, but for what `changes` in the data, the spec, or the call."""
    named = {name: changes.pop(name) for name in ("train", "judging", "augment", "score") if name in changes}
    settings = {name: changes.pop(name) for name in tuple(changes) if name in TrainingSpec.model_fields}
    spec = TrainingSpec(**{"epochs": 2, "learning_rate": 0.05, "batch": 32, **settings})
    return fit(model, Data(**{"train": _few(), **named}), spec, **changes)


class _WithDropout(nn.Module):
    """Draws from the global random state while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits


def test_a_network_learns_real_digits() -> None:
    task, splits = digits(), _splits()
    dense = load_model(ModelSpec(name="digits_cnn", options={"widths": [16, 16, 32]}))
    data = Data(splits.train, splits.validation, task.augment)
    trained = fit(dense, data, TrainingSpec(epochs=6, learning_rate=0.05, batch=32))
    assert judge(dense, splits.selection, correct)[0] < 0.3
    assert judge(trained, splits.selection, correct)[0] > 0.93


def test_a_new_network_in_eval_mode_comes_back_and_the_old_one_stays() -> None:
    model, teacher = _network(0), _network(1).train()
    before, taught = fingerprint(model), fingerprint(teacher)
    trained = _fit(model, teacher=teacher, distillation=0.5)
    assert (fingerprint(model), fingerprint(teacher)) == (before, taught)
    assert fingerprint(trained) != before
    assert not any(module.training for module in trained.modules())
    assert teacher.training
    assert all(p.grad is None for p in (*model.parameters(), *teacher.parameters()))


@pytest.mark.parametrize("dropout", [True, False])
def test_the_seed_decides_and_the_global_random_state_stays(dropout: bool) -> None:
    model = _WithDropout() if dropout else _network()
    prints = []
    for seed in (1, 1, 2):
        torch.rand(3)  # the global state differs each time
        before = torch.random.get_rng_state()
        prints.append(fingerprint(_fit(model, seed=seed, augment=digits().augment)))
        assert torch.equal(before, torch.random.get_rng_state())
    assert prints[0] == prints[1] != prints[2]


def test_no_epochs_give_a_copy() -> None:
    model = _network()
    trained = _fit(model, epochs=0)
    assert trained is not model
    assert fingerprint(trained) == fingerprint(model)


def test_epochs_are_told_with_the_cosine_learning_rate_and_the_validation_split() -> None:
    told: list[Epoch] = []
    _fit(_network(), epochs=4, learning_rate=0.02, on_epoch=told.append, judging=_splits().validation)
    assert [(e.number, e.epochs) for e in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    expected = [0.01 * (1 + math.cos(math.pi * i / 4)) for i in range(4)]
    assert [e.learning_rate for e in told] == pytest.approx(expected)
    assert told[-1].loss < told[0].loss
    for epoch in told:
        assert epoch.validation_score is not None
        assert 0 <= epoch.validation_score <= 1


def test_a_clipped_step_is_as_long_as_the_clip_at_most() -> None:
    model = _network()
    once = {"epochs": 1, "train": Subset(_few(), torch.arange(32)), "learning_rate": 1.0, "weight_decay": 0.0}
    for clip in (1e-3, 1e-2):
        moved = _fit(model, momentum=0.0, clip=clip, **once)
        with torch.no_grad():
            length = math.sqrt(sum(float((a - b).square().sum()) for a, b in _both(model, moved)))
        assert length == pytest.approx(clip, rel=1e-2)


def _both(one: nn.Module, other: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(one.parameters(), other.parameters(), strict=True)


def test_without_validation_nothing_is_judged() -> None:
    told: list[Epoch] = []
    _fit(_network(), epochs=1, on_epoch=told.append)
    assert (told[0].validation_score, told[0].validation_loss) == (None, None)


def test_the_best_checkpoint_is_returned() -> None:
    told: list[Epoch] = []
    trained = _fit(_network(), epochs=5, learning_rate=0.3, on_epoch=told.append, judging=_splits().validation)
    best = max((e.validation_score, -(e.validation_loss or 0)) for e in told if e.validation_score is not None)
    score, loss = judge(trained, _splits().validation, correct)
    assert (score, loss) == pytest.approx((best[0], -best[1]))


def test_training_that_makes_it_worse_returns_the_start() -> None:
    start = fit(_network(), Data(_splits().train), TrainingSpec(epochs=4, learning_rate=0.05, batch=32))

    def wrong(inputs: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(inputs.shape, generator=generator)

    told: list[Epoch] = []
    again = _fit(start, epochs=2, augment=wrong, judging=_splits().validation, on_epoch=told.append)
    before = judge(start, _splits().validation, correct)
    assert all(epoch.validation_score is not None and epoch.validation_score < before[0] for epoch in told)
    assert fingerprint(again) == fingerprint(start)


def test_a_score_of_ones_own_chooses_the_checkpoint() -> None:
    """This one prefers a network that knows nothing, which is the start."""

    def wrong(outputs: Tensor, targets: Tensor) -> Tensor:
        return 1 - correct(outputs, targets)

    model = _network()
    trained = _fit(model, train=_splits().train, epochs=3, judging=_splits().validation, score=wrong)
    assert fingerprint(trained) == fingerprint(model)


def test_a_last_batch_of_one_sample_does_not_break_batch_norm() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Linear(16, 10))
    trained = _fit(model, train=Subset(_few(), torch.arange(33)), batch=32, epochs=1)
    assert fingerprint(trained) != fingerprint(model)


def test_distillation_alone_makes_the_student_answer_as_the_teacher() -> None:
    class Deaf(Subset):
        """Its labels tell nothing."""

        def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
            inputs, targets = super().batch(indices)
            return inputs, torch.zeros_like(targets)

    teacher = fit(_network(), Data(_splits().train), TrainingSpec(epochs=4, learning_rate=0.05, batch=32))
    train = Deaf(_splits().train, torch.arange(len(_splits().train)))
    student = _fit(_network(1), train=train, epochs=4, teacher=teacher, distillation=1.0)
    assert judge(student, _splits().validation, correct)[0] > 0.5


def test_divergence_says_so() -> None:
    with pytest.raises(Diverged, match=r"training diverged in epoch \d .* lower the learning rate, which was 1e\+10"):
        _fit(_network(), learning_rate=1e10, epochs=3)


def test_frozen_weights_stay_and_a_network_without_free_ones_is_refused() -> None:
    model = _network()
    first = next(model.parameters())
    first.requires_grad = False
    assert torch.equal(next(_fit(model).parameters()), first)
    for weight in model.parameters():
        weight.requires_grad = False
    with pytest.raises(BadInput, match="no weights to train"):
        _fit(model)


def test_a_network_that_returns_no_tensor_is_refused() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = _network()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            logits = self.network(x)
            return logits, logits

    with pytest.raises(BadInput, match="one tensor of logits in training, got tuple"):
        _fit(Pair())


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": -1},
        {"batch": 0},
        {"learning_rate": 0.0},
        {"clip": 0.0},
        {"learning_rate": float("nan")},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"schedule": "sine"},
        {"rewound": 1.0},
        {"device": "tpu"},
        {"devices": 0},
        {"device": "cuda:1", "devices": 2},
        {"precision": "int8"},
        {"precision": "float16"},
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainingSpec(**changes)


@pytest.mark.parametrize("changes", [{"distillation": 0.5}, {"train": Subset(_few(), torch.arange(0))}])
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        _fit(_network(), **changes)


def test_an_absent_device_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is present")
    with pytest.raises(BadInput, match="device cuda is not available"):
        _fit(_network(), device="cuda")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"devices": 100_000, "batch": 100_000},
            r"devices = 100000, but there are \d+ processors here; give \d+ at most",
        ),
        ({"devices": 2, "batch": 1}, "each of devices = 2 needs a sample of every batch, which has 1; give fewer"),
        ({"devices": 2, "train": Subset(_few(), torch.arange(1))}, "every batch, which has 1"),
    ],
)
def test_more_devices_than_there_is_work_or_room_for_are_refused(changes: dict[str, Any], says: str) -> None:
    if (os.cpu_count() or 1) < changes["devices"] == 2:
        pytest.skip("two processes need two processors")
    with pytest.raises(BadInput, match=says):
        _fit(_network(), **changes)


def test_a_gpu_trains_as_well() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    trained = _fit(_network(), device="cuda", teacher=_network(1), distillation=0.5, judging=_splits().validation)
    assert {p.device.type for p in trained.parameters()} == {"cpu"}
    assert fingerprint(trained) != fingerprint(_network())
