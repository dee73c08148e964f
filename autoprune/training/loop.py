"""The training loop: one pass after another over batches, with the seams of a `Method`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autoprune.errors import AutopruneError, BadInput
from autoprune.pruning.refit import NORMS
from autoprune.spec import TrainingSpec
from autoprune.training.checkpoint import BestCheckpoint
from autoprune.training.data import Data
from autoprune.training.loss import Loss
from autoprune.training.method import Method, Moment
from autoprune.training.mixup import Labels, mix
from autoprune.training.rates import learning_rate
from autoprune.training.state import State, named


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training split did; `number` counts from 1 to `epochs`.

    `learning_rate` at the pass's start, `loss` the mean training loss, and the mean score and
    loss on the split that judges after it, None where there is no such split.
    """

    number: int
    epochs: int
    learning_rate: float
    loss: float
    validation_score: float | None
    validation_loss: float | None


class Loop:
    """A network in training on `place`, and all that the next pass depends on.

    On a GPU the network computes in half precision where that is safe, and the loss is scaled so that small
    gradients do not vanish (Micikevicius et al., ICLR 2018).
    """

    def __init__(
        self, student: nn.Module, data: Data, spec: TrainingSpec, loss: Loss, method: Method, seed: int
    ) -> None:
        self._student, self._data, self._spec, self._loss, self._method = student, data, spec, loss, method
        self._place = next(student.parameters()).device
        self._best = BestCheckpoint(student, data.judging, data.score, loss) if data.judging is not None else None
        self._optimizer = _optimizer(student, method, spec)
        self._mixed = self._place.type == "cuda"
        self._scaler = torch.amp.GradScaler(self._place.type, enabled=self._mixed)
        self._generator = torch.Generator().manual_seed(seed)
        self._a_pass = len(_batches(torch.arange(len(data.train)), spec.batch))
        self.done = 0

    def epoch(self) -> Epoch:
        """Train on every sample once; raises `AutopruneError` where that diverges."""
        self.done += 1
        rate = self._rate(self._moment(0))
        self._set_training()
        loss = self._pass()
        self._require_finite(loss)
        self._method.eval()
        self._method.after_epoch(self._student, self._moment(self._a_pass))
        judged = self._best.offer() if self._best is not None else (None, None)
        return Epoch(self.done, self._spec.epochs, rate, loss, *judged)

    def finish(self) -> None:
        """Put the best checkpoint back, where one was kept."""
        if self._best is not None:
            self._best.restore()

    def state(self, job: str) -> State:
        """Where the training stands between two passes."""
        best, numbers = self._best.kept if self._best is not None else ({}, ())
        momenta = {str(i): s["momentum_buffer"] for i, s in self._optimizer.state_dict()["state"].items()}
        tensors = {
            **named("network", self._student.state_dict()),
            **named("method", self._method.state_dict()),
            **named("best", best),
            **named("momentum", {name: momentum for name, momentum in momenta.items() if momentum is not None}),
            **named("random", {"order": self._generator.get_state(), **_global_randomness(self._place)}),
        }
        told = {"epoch": self.done, "best": numbers, "scale": self._scaler.state_dict()}
        return State(job, tensors, told)

    def go_on(self, state: State) -> None:
        """Stand where a training of the same job stood when it told its `state`."""
        self.done = state.numbers["epoch"]
        self._student.load_state_dict(state.under("network"))
        self._method.load_state_dict(state.under("method"))
        if self._best is not None:
            best = {name: tensor.to(self._place) for name, tensor in state.under("best").items()}
            self._best.go_on(best, state.numbers["best"])
        held = self._optimizer.state_dict()
        held["state"] = {int(i): {"momentum_buffer": momentum} for i, momentum in state.under("momentum").items()}
        self._optimizer.load_state_dict(held)
        self._scaler.load_state_dict(state.numbers["scale"])
        random = state.under("random")
        self._generator.set_state(random["order"])
        torch.set_rng_state(random["cpu"])
        if "cuda" in random:
            torch.cuda.set_rng_state(random["cuda"], self._place)

    def _pass(self) -> float:
        """One step a batch; the mean loss over the samples."""
        total, count = torch.zeros(()), 0
        for number, (inputs, labels) in enumerate(self._read()):
            total = total + self._step(inputs, labels, self._moment(number)) * len(labels)
            count += len(labels)
        return float(total) / count

    def _step(self, inputs: Tensor, labels: Labels, at: Moment) -> Tensor:
        """One step of SGD; the loss before it, without the method's penalty."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate(at) * group["share"]
        with torch.autocast(self._place.type, torch.float16, enabled=self._mixed):
            loss = self._loss(inputs, self._answer(inputs), labels)
        penalty = self._method.penalty(self._student, at)
        self._optimizer.zero_grad()
        self._scaler.scale(loss if penalty is None else loss + penalty).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimizer)
        self._method.after_backward(self._student, at)
        if self._spec.clip is not None:
            torch.nn.utils.clip_grad_norm_(self._student.parameters(), self._spec.clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._method.after_step(self._student, at)
        return loss.detach().cpu()

    def _answer(self, inputs: Tensor) -> Tensor:
        tensors = self._method.tensors(self._student)
        outputs = functional_call(self._student, dict(tensors), (inputs,)) if tensors else self._student(inputs)
        if not isinstance(outputs, Tensor):
            raise BadInput(f"the network must return one tensor of logits in training, got {type(outputs).__name__}")
        return outputs

    def _moment(self, number: int) -> Moment:
        """After `number` steps of the pass that is under way."""
        before = (self.done - 1) * self._a_pass
        return Moment(before + number, self._spec.epochs * self._a_pass, self.done, self._spec.epochs)

    def _rate(self, at: Moment) -> float:
        return learning_rate(self._spec, at.done)

    def _read(self) -> Iterator[tuple[Tensor, Labels]]:
        """Batches of one pass in random order, augmented and mixed."""
        train, generator = self._data.train, self._generator
        for indices in _batches(torch.randperm(len(train), generator=generator), self._spec.batch):
            inputs, targets = train.batch(indices)
            if self._data.augment is not None:
                inputs = self._data.augment(inputs, generator)
            inputs, labels = mix(inputs, targets, generator) if self._spec.mixup else (inputs, Labels(targets))
            yield laid_out(inputs).to(self._place), labels.to(self._place)

    def _set_training(self) -> None:
        self._student.train()
        self._method.train()
        for module in self._student.modules():
            if self._spec.frozen_norms and isinstance(module, NORMS):
                module.eval()

    def _require_finite(self, loss: float) -> None:
        trained = (*self._student.parameters(), *self._method.parameters())
        if not (math.isfinite(loss) and all(bool(torch.isfinite(p).all()) for p in trained)):
            raise AutopruneError(
                f"training diverged in epoch {self.done} (loss {loss}); lower the learning rate, "
                f"which was {self._spec.learning_rate:g}"
            )


def laid_out(inputs: Tensor) -> Tensor:
    """Images with their channels last in memory, which convolutions train on in three quarters of the time."""
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs


def _optimizer(student: nn.Module, method: Method, spec: TrainingSpec) -> torch.optim.SGD:
    """SGD over the network's free parameters, and the method's, which are not decayed; `share` scales their rate."""
    weights = [p for p in student.parameters() if p.requires_grad]
    if not weights:
        raise BadInput("the network has no weights to train; set requires_grad on its parameters")
    groups = [{"params": weights, "share": 1.0}]
    if own := list(method.parameters()):
        groups.append({"params": own, "share": method.rate, "weight_decay": 0.0})
    return torch.optim.SGD(
        groups,
        lr=spec.learning_rate,
        momentum=spec.momentum,
        weight_decay=spec.weight_decay,
        nesterov=spec.momentum > 0,
    )


def _batches(order: Tensor, batch: int) -> tuple[Tensor, ...]:
    """`order` in pieces of `batch`; a last piece of one sample is left out, because BatchNorm cannot train on it."""
    pieces = torch.split(order, batch)
    return pieces[:-1] if len(pieces) > 1 and len(pieces[-1]) == 1 else pieces


def _global_randomness(place: torch.device) -> dict[str, Tensor]:
    """What dropout draws from."""
    cpu = {"cpu": torch.get_rng_state()}
    return {**cpu, "cuda": torch.cuda.get_rng_state(place)} if place.type == "cuda" else cpu
