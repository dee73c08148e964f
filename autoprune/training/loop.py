"""The training loop: one pass after another over batches, with the seams of a `Method`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autoprune.errors import BadInput, Diverged
from autoprune.pruning.refit import NORMS
from autoprune.spec import TrainingSpec
from autoprune.training.batch_loss import BatchLoss, computing_type
from autoprune.training.batches import Batch, Batches
from autoprune.training.checkpoint import BestCheckpoint
from autoprune.training.data import Data
from autoprune.training.group import Group
from autoprune.training.loss import Loss
from autoprune.training.method import Method, Moment
from autoprune.training.norms import SynchronisedNorms
from autoprune.training.randomness import Randomness
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
    """A network in training, by a `group` of processes that all do the same, and all that the next pass depends on.

    Where layers compute in float16 the loss is scaled, so that small gradients do not vanish (Micikevicius et al.,
    ICLR 2018).
    """

    def __init__(
        self,
        student: nn.Module,
        data: Data,
        spec: TrainingSpec,
        loss: Loss,
        method: Method,
        seed: int,
        group: Group,
    ) -> None:
        self._student, self._spec, self._method, self._group = student, spec, method, group
        self._place = next(student.parameters()).device
        judging = data.judging if group.first else None
        self._best = BestCheckpoint(student, judging, data.score, loss) if judging is not None else None
        self._optimizer = _optimizer(student, method, spec)
        computing = computing_type(spec, self._place)
        self._scaler = torch.amp.GradScaler(self._place.type, enabled=computing is torch.float16)
        self._randomness = Randomness(seed, self._place, group)
        self._batches = Batches(data, spec.batch, spec.mixup, self._randomness, group)
        self._loss = group.distributed(BatchLoss(student, method, loss, computing, self._among_others))
        self.done = 0

    def epoch(self) -> Epoch:
        """Train on every sample once; raises `Diverged` where that leads nowhere."""
        self.done += 1
        rate = self._rate(self._moment(0))
        self._set_training()
        loss = self._pass()
        self._require_finite(loss)
        self._method.eval()
        self._method.after_epoch(self._student, self._moment(len(self._batches)))
        self._group.agree(self._student, self._method)
        judged = self._best.offer() if self._best is not None else (None, None)
        return Epoch(self.done, self._spec.epochs, rate, loss, *judged)

    def finish(self) -> None:
        """Put the best checkpoint back, where one was kept."""
        if self._best is not None:
            self._best.restore()

    def state(self, job: str) -> State:
        """Where the training stands between two passes: all of the group together."""
        best, numbers = self._best.kept if self._best is not None else ({}, ())
        momenta = {str(i): s["momentum_buffer"] for i, s in self._optimizer.state_dict()["state"].items()}
        tensors = {
            **named("network", self._student.state_dict()),
            **named("method", self._method.state_dict()),
            **named("best", best),
            **named("momentum", {name: momentum for name, momentum in momenta.items() if momentum is not None}),
            **named("random", self._randomness.state()),
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
        self._randomness.go_on(state.under("random"))

    def _pass(self) -> float:
        """One step a batch; the mean loss over the samples."""
        total, count = torch.zeros(()), 0
        for number, batch in enumerate(self._batches):
            total = total + self._step(batch.to(self._place), self._moment(number)) * len(batch.labels)
            count += len(batch.labels)
        sums = self._group.total(torch.tensor([total, count], dtype=torch.float64))
        return float(sums[0] / sums[1])

    def _step(self, batch: Batch, at: Moment) -> Tensor:
        """One step of SGD; the loss before it, without the method's penalty."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate(at) * group["share"]
        losses: tuple[Tensor, Tensor] = self._loss(batch, at)
        falling, loss = losses
        self._optimizer.zero_grad()
        self._scaler.scale(falling).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimizer)
        self._method.after_backward(self._student, at)
        if self._spec.clip is not None:
            torch.nn.utils.clip_grad_norm_(self._student.parameters(), self._spec.clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._method.after_step(self._student, at)
        return loss.cpu()

    @contextmanager
    def _among_others(self) -> Iterator[None]:
        """The network's draws are this process's own, and its norms' statistics those of all the batch."""
        if self._group.alone:
            yield
            return
        with self._randomness.apart(), SynchronisedNorms(self._group):
            yield

    def _moment(self, number: int) -> Moment:
        """After `number` steps of the pass that is under way."""
        a_pass = len(self._batches)
        before = (self.done - 1) * a_pass
        return Moment(before + number, self._spec.epochs * a_pass, self.done, self._spec.epochs)

    def _rate(self, at: Moment) -> float:
        return learning_rate(self._spec, at.done)

    def _set_training(self) -> None:
        self._student.train()
        self._method.train()
        for module in self._student.modules():
            if self._spec.frozen_norms and isinstance(module, NORMS):
                module.eval()

    def _require_finite(self, loss: float) -> None:
        trained = (*self._student.parameters(), *self._method.parameters())
        if not (math.isfinite(loss) and all(bool(torch.isfinite(p).all()) for p in trained)):
            raise Diverged(
                f"training diverged in epoch {self.done} (loss {loss}); lower the learning rate, "
                f"which was {self._spec.learning_rate:g}"
            )


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
