"""Train a network: SGD on a schedule, the best checkpoint kept, and resumed from its last epoch after a kill."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from autoprune.errors import BadInput
from autoprune.models import fingerprint
from autoprune.spec import TrainingSpec
from autoprune.training.data import Data
from autoprune.training.loop import Epoch, Loop
from autoprune.training.loss import Loss
from autoprune.training.method import Method, settle
from autoprune.training.state import State


def fit(
    model: nn.Module,
    data: Data,
    spec: TrainingSpec,
    *,
    teacher: nn.Module | None = None,
    method: Method | None = None,
    seed: int = 0,
    kept: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> nn.Module:
    """A copy of `model` trained as `spec` says, in eval mode on the CPU; `model` and `teacher` stay as they were.

    The loss is cross-entropy with the labels, mixed with the distance to the `teacher`'s outputs where
    `spec.distillation` > 0 (see `Loss`). With `spec.frozen_norms` batch norms compute with their running
    statistics, as they do in eval mode: a network that was refitted to them is thrown off by those of
    small batches. A `method` is trained beside the network, in place, and what it has the network
    compute with is written into the parameters in the end.

    Where `data` has a split that judges, the best checkpoint is returned, the start being one of them
    (see `BestCheckpoint`); else the last one.

    The state after each epoch is written to the file `kept`: the same call again goes on from there, and
    ends with the same network as if nothing had happened. The same seed gives the same network on the
    same machine and number of threads. The global random state is left as it was. `on_epoch` hears of
    each pass once it is done.

    Raises `BadInput` for no data, nothing to train, an absent device or another training's state, and
    `AutopruneError` where the training diverges.
    """
    if len(data.train) == 0:
        raise BadInput("the training split is empty")
    place, method = _device(spec.device), method or Method()
    student = copy.deepcopy(model).to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = Loss(
        copy.deepcopy(teacher).to(place).eval() if teacher is not None else None, spec.distillation, spec.temperature
    )
    method.to(place)
    with _own_randomness(seed, place):
        loop = Loop(student, data, spec, loss, method, seed)
        _train(loop, spec.epochs, kept, _job(model, teacher, spec, method, seed), on_epoch)
    settle(student, method)
    return student.to("cpu", memory_format=torch.contiguous_format).eval()  # type: ignore[no-any-return]


def _train(loop: Loop, epochs: int, kept: Path | None, job: str, on_epoch: Callable[[Epoch], None] | None) -> None:
    """Pass after pass, from the last one that is `kept`."""
    if kept is not None and (state := State.read(kept, job)) is not None:
        loop.go_on(state)
    while loop.done < epochs:
        epoch = loop.epoch()
        if kept is not None:
            loop.state(job).write(kept)
        if on_epoch is not None:
            on_epoch(epoch)
    loop.finish()


def _job(model: nn.Module, teacher: nn.Module | None, spec: TrainingSpec, method: Method, seed: int) -> str:
    """Identifies a training by all that it starts from, but for the data."""
    networks = (fingerprint(model), fingerprint(teacher) if teacher is not None else "")
    parts = (networks, spec.model_dump_json(), type(method).__name__, fingerprint(method), seed)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _device(name: str) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"device {device} is not available to this build of PyTorch on this machine; use cpu")
    return device


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
