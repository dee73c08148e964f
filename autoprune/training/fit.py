"""Train a network: SGD on a schedule, the best checkpoint kept, and resumed from its last epoch after a kill."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

from autoprune.errors import BadInput
from autoprune.spec import Hardware, TrainingSpec
from autoprune.training.data import Data
from autoprune.training.group import Group
from autoprune.training.job import Hear, Job, unheard
from autoprune.training.method import Method
from autoprune.training.processes import in_processes


def fit(
    model: nn.Module,
    data: Data,
    spec: TrainingSpec,
    *,
    teacher: nn.Module | None = None,
    method: Method | None = None,
    seed: int = 0,
    kept: Path | None = None,
    on_epoch: Hear | None = None,
) -> nn.Module:
    """A copy of `model` trained as `spec` says, in eval mode on the CPU; `model` and `teacher` stay as they were.

    The loss is cross-entropy with the labels, mixed with the distance to the `teacher`'s outputs where
    `spec.distillation` > 0 (see `Loss`). With `spec.frozen_norms` batch norms compute with their running
    statistics, as they do in eval mode: a network that was refitted to them is thrown off by those of
    small batches. A `method` is trained beside the network, in place, and what it has the network
    compute with is written into the parameters in the end.

    Where `data` has a split that judges, the best checkpoint is returned, the start being one of them
    (see `BestCheckpoint`); else the last one.

    Each of several `spec.devices` has a process of its own, which all that is given here but `on_epoch` is
    sent to, and trains on its share of each batch of `spec.batch` samples. Gradients and the statistics of
    batch norms are those of the whole batch, so that the network is the same but for rounding; where images
    are changed, mixed or dropped from, each process draws for itself.

    The state after each epoch is written to the file `kept`: the same call again goes on from there, and
    ends with the same network as if nothing had happened. The same seed gives the same network on the
    same machine and numbers of threads and devices. The global random state is left as it was. `on_epoch` hears of
    each pass once it is done.

    Raises `BadInput` for no data, nothing to train, absent devices, what cannot be sent to a process, or another
    training's state, `Diverged` where the training leads nowhere, and `AutopruneError` where a process is lost.
    """
    if len(data.train) == 0:
        raise BadInput("the training split is empty")
    require_devices(spec)
    _require_enough(spec, len(data.train))
    job = Job(model, data, spec, teacher, method or Method(), seed, kept)
    hear = on_epoch or unheard
    return job.run(Group(), hear) if spec.devices == 1 else in_processes(job, hear)


def require_devices(spec: Hardware) -> None:
    """Raise `BadInput` where this machine has not as many of the devices as `spec` asks for."""
    if spec.device == "cpu":
        there, what = os.cpu_count() or 1, "processors"
    elif torch.cuda.is_available():
        there, what = torch.cuda.device_count(), "GPUs"
    else:
        raise BadInput(f"device {spec.device} is not available to this build of PyTorch on this machine; use cpu")
    if spec.devices > there:
        raise BadInput(f"devices = {spec.devices}, but there are {there} {what} here; give {there} at most")


def _require_enough(spec: TrainingSpec, samples: int) -> None:
    if (fewest := min(spec.batch, samples)) < spec.devices:
        raise BadInput(
            f"each of devices = {spec.devices} needs a sample of every batch, which has {fewest}; give fewer"
        )
