"""One training, whole: all that it starts from, and how it is gone through by one of those who do it."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from autoprune.models import fingerprint
from autoprune.spec import TrainingSpec
from autoprune.training.data import Data
from autoprune.training.group import Group
from autoprune.training.loop import Epoch, Loop
from autoprune.training.loss import Loss
from autoprune.training.method import Method, settle
from autoprune.training.randomness import seeded
from autoprune.training.state import State

Hear = Callable[[Epoch], None]
"""Is told of each pass once it is done."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """`model` is trained as `spec` says; see `fit`. Sent to another process it is the same training."""

    model: nn.Module
    data: Data
    spec: TrainingSpec
    teacher: nn.Module | None
    method: Method
    seed: int
    kept: Path | None

    @property
    def name(self) -> str:
        """Identifies a training by all that it starts from, but for the data; of no use once it has begun."""
        networks = (fingerprint(self.model), fingerprint(self.teacher) if self.teacher is not None else "")
        parts = (networks, self.spec.model_dump_json(), type(self.method).__name__, fingerprint(self.method), self.seed)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def run(self, group: Group, hear: Hear) -> nn.Module:
        """The network, trained, in eval mode on the CPU: all of `group` together; the method is trained in place.

        The first of them writes the states, and its network is the one that counts.
        """
        name, place = self.name, group.place(self.spec.device)
        student = copy.deepcopy(self.model).to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.method.to(place)
        deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
        with seeded(self.seed, place), deterministic:
            loop = Loop(student, self.data, self.spec, self._loss(place), self.method, self.seed, group)
            self._go_through(loop, name, group, hear)
        settle(student, self.method)
        return student.to("cpu", memory_format=torch.contiguous_format).eval()  # type: ignore[no-any-return]

    def _loss(self, place: torch.device) -> Loss:
        teacher = copy.deepcopy(self.teacher).to(place).eval() if self.teacher is not None else None
        return Loss(teacher, self.spec.distillation, self.spec.temperature)

    def _go_through(self, loop: Loop, name: str, group: Group, hear: Hear) -> None:
        """Pass after pass, from the last one that is `kept`."""
        if self.kept is not None and (state := State.read(self.kept, name)) is not None:
            loop.go_on(state)
        while loop.done < self.spec.epochs:
            epoch = loop.epoch()
            if self.kept is not None:
                state = loop.state(name)
                if group.first:
                    state.write(self.kept)
            hear(epoch)
        loop.finish()


def unheard(epoch: Epoch) -> None:
    """Tell nobody."""
