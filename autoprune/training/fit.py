"""Train a network: SGD with Nesterov momentum, a cosine schedule, and the best checkpoint kept."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler
from torch.optim.optimizer import Optimizer

from autoprune.errors import AutopruneError, BadInput
from autoprune.pruning.refit import NORMS
from autoprune.training.checkpoint import BestCheckpoint, correct
from autoprune.training.data import Augment, Samples, Score
from autoprune.training.loss import Loss
from autoprune.training.mixup import Labels, mix


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training split did; `number` counts from 1 to `epochs`.

    `learning_rate` at the pass's start, `loss` the mean training loss, and the mean score and
    loss on the validation split after it, None where there is no such split.
    """

    number: int
    epochs: int
    learning_rate: float
    loss: float
    validation_score: float | None
    validation_loss: float | None


def fit(
    model: nn.Module,
    train: Samples,
    *,
    epochs: int,
    learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 128,
    clip: float = math.inf,
    seed: int = 0,
    augment: Augment | None = None,
    mixup: bool = False,
    frozen_norms: bool = False,
    teacher: nn.Module | None = None,
    distillation: float = 0.0,
    temperature: float = 4.0,
    validation: Samples | None = None,
    score: Score = correct,
    device: str | torch.device = "cpu",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> nn.Module:
    """A trained copy of `model`, in eval mode on the CPU; `model` and `teacher` stay as they were.

    SGD with Nesterov momentum; the learning rate falls from `learning_rate` to 0 on a cosine, step
    by step; a gradient longer than `clip` is shortened to it (Pascanu et al., ICML 2013). The loss is
    cross-entropy with the labels, mixed with the distance to the `teacher`'s outputs where
    `distillation` > 0 (see `Loss`). With `mixup` it learns from mixtures of two inputs each; with
    `frozen_norms` batch norms compute with their running statistics, as they do in eval mode, and
    keep them: a network that was refitted to them is thrown off by those of small batches.

    With `validation` the best checkpoint is returned, the start being one of them (see `BestCheckpoint`);
    without it, the last one.

    The same seed gives the same network on the same machine and number of threads. The global
    random state is left as it was. `on_epoch` hears of each pass once it is done.

    Raises `BadInput` for numbers out of range, no data, nothing to train or an absent device, and
    `AutopruneError` where the training diverges.
    """
    _check(epochs, learning_rate, momentum, weight_decay, batch, clip)
    if len(train) == 0:
        raise BadInput("the training split is empty")
    place = _device(device)
    student = copy.deepcopy(model).to(place)
    loss = Loss(copy.deepcopy(teacher).to(place).eval() if teacher is not None else None, distillation, temperature)
    best = BestCheckpoint(student, validation, score, loss) if validation is not None else None
    optimizer = _optimizer(student, learning_rate, momentum, weight_decay)
    steps = epochs * len(_batches(torch.arange(len(train)), batch))
    schedule = CosineAnnealingLR(optimizer, T_max=max(1, steps))
    with _own_randomness(seed, place):
        generator = torch.Generator().manual_seed(seed)
        for number in range(1, epochs + 1):
            rate = float(schedule.get_last_lr()[0])
            batches = _read(train, batch, augment, mixup, generator, place)
            _set_training(student, frozen_norms)
            mean_loss = _train_pass(student, batches, loss, optimizer, schedule, clip)
            _require_finite(student, mean_loss, number, learning_rate)
            judged = best.offer() if best is not None else (None, None)
            if on_epoch is not None:
                on_epoch(Epoch(number, epochs, rate, mean_loss, *judged))
    if best is not None:
        best.restore()
    return student.cpu().eval()


def _check(epochs: int, learning_rate: float, momentum: float, weight_decay: float, batch: int, clip: float) -> None:
    if epochs < 0 or batch < 1:
        raise BadInput(f"training takes epochs >= 0 and batch >= 1, got {epochs} and {batch}")
    if not clip > 0:
        raise BadInput(f"training takes clip > 0, got {clip}")
    if not (learning_rate > 0 and 0 <= momentum < 1 and weight_decay >= 0):
        numbers = f"{learning_rate}, {momentum} and {weight_decay}"
        raise BadInput(f"training takes learning_rate > 0, 0 <= momentum < 1 and weight_decay >= 0, got {numbers}")


def _device(name: str | torch.device) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"device {device} is not available to this build of PyTorch on this machine; use cpu")
    return device


def _optimizer(student: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> Optimizer:
    weights = [p for p in student.parameters() if p.requires_grad]
    if not weights:
        raise BadInput("the network has no weights to train; set requires_grad on its parameters")
    return torch.optim.SGD(
        weights, lr=learning_rate, momentum=momentum, weight_decay=weight_decay, nesterov=momentum > 0
    )


@contextmanager
def _own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Global draws (dropout) come from `seed` inside, and leave no trace outside."""
    devices = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=devices),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        torch.manual_seed(seed)
        yield


def _batches(order: Tensor, batch: int) -> tuple[Tensor, ...]:
    """`order` in pieces of `batch`; a last piece of one sample is left out, because BatchNorm cannot train on it."""
    pieces = torch.split(order, batch)
    return pieces[:-1] if len(pieces) > 1 and len(pieces[-1]) == 1 else pieces


def _read(
    train: Samples, batch: int, augment: Augment | None, mixup: bool, generator: torch.Generator, device: torch.device
) -> Iterator[tuple[Tensor, Labels]]:
    """Batches of one pass in random order, augmented and mixed, on `device`."""
    for indices in _batches(torch.randperm(len(train), generator=generator), batch):
        inputs, targets = train.batch(indices)
        if augment is not None:
            inputs = augment(inputs, generator)
        inputs, labels = mix(inputs, targets, generator) if mixup else (inputs, Labels(targets))
        yield inputs.to(device), labels.to(device)


def _set_training(student: nn.Module, frozen_norms: bool) -> None:
    student.train()
    for module in student.modules():
        if frozen_norms and isinstance(module, NORMS):
            module.eval()


def _train_pass(
    student: nn.Module,
    batches: Iterator[tuple[Tensor, Labels]],
    loss: Loss,
    optimizer: Optimizer,
    schedule: LRScheduler,
    clip: float,
) -> float:
    """One step a batch; the mean loss over the samples."""
    total, count = torch.zeros(()), 0
    for inputs, labels in batches:
        outputs = student(inputs)
        if not isinstance(outputs, Tensor):
            raise BadInput(f"the network must return one tensor of logits in training, got {type(outputs).__name__}")
        value = loss(inputs, outputs, labels)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        if clip < math.inf:
            torch.nn.utils.clip_grad_norm_(student.parameters(), clip)
        optimizer.step()
        schedule.step()
        total = total + value.detach().cpu() * len(labels)
        count += len(labels)
    return float(total) / count


def _require_finite(student: nn.Module, loss: float, number: int, learning_rate: float) -> None:
    if not (math.isfinite(loss) and all(bool(torch.isfinite(p).all()) for p in student.parameters())):
        raise AutopruneError(
            f"training diverged in epoch {number} (loss {loss}); lower the learning rate, which was {learning_rate:g}"
        )
