"""The subject of a run: the dense network, its task's splits, and what tracing found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput
from autoprune.evaluation.images import ImageSet
from autoprune.evaluation.registry import load_task
from autoprune.evaluation.splits import Splits, draw_splits
from autoprune.evaluation.task import Task
from autoprune.files import write_atomic
from autoprune.models import fingerprint, is_reference, load_model, load_weights
from autoprune.progress import Progress
from autoprune.pruning import Pruner
from autoprune.space import Policy
from autoprune.spec import ModelSpec, RunSpec
from autoprune.tracing import Traced, pad_behind, trace
from autoprune.training import Data, Epoch, fit


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A dense network in eval mode, traced; `fingerprint` identifies its graph and weights."""

    name: str
    model: nn.Module
    example: Tensor  # [1, C, H, W]
    traced: Traced
    fingerprint: str

    @classmethod
    def of(cls, name: str, model: nn.Module, input_shape: tuple[int, ...]) -> Network:
        """Trace `model` on a seeded random input of shape [1, *input_shape]."""
        example = torch.randn(1, *input_shape, generator=torch.Generator().manual_seed(0))
        return cls(name, model.eval(), example, trace(model, example), fingerprint(model))

    @classmethod
    def load(cls, spec: ModelSpec, input_shape: tuple[int, ...], num_classes: int | None = None) -> Network:
        """The network that `spec` names, traced."""
        return cls.of(spec.name, load_model(spec, num_classes=num_classes), input_shape)

    def images(self, count: int) -> Tensor:
        """A random input [count, C, H, W], the same every time."""
        return torch.randn(count, *self.example.shape[1:], generator=torch.Generator().manual_seed(0))

    def bare(self, policy: Policy) -> nn.Module:
        """The network of `policy` in shape only, for timing: the first units of each group, not refitted.

        What it pads channels with stands behind them, so that all its lengths are affine functions of the policy.
        """
        kept = [np.arange(w // g.unit) for w, g in zip(policy.widths, self.traced.space.groups, strict=True)]
        small = self.traced.slice(self.model, kept)
        pad_behind(small)
        return small


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What one run is about."""

    task: Task
    splits: Splits
    network: Network

    @classmethod
    def of(cls, spec: RunSpec, task: Task, splits: Splits, model: nn.Module) -> Subject:
        """`model` traced, for a run of `spec`.

        Raises `BadInput` where no channel group can be pruned, or where the spec keeps one whole that there is not.
        """
        network = Network.of(spec.model.name, model, task.input_shape)
        space = network.traced.space
        if not space.groups:
            reasons = "; ".join(f"{g.name}: {g.reason}" for g in space.frozen[:3])
            raise BadInput(f"{spec.model.name} has no prunable channel group ({reasons or 'it has no hidden layer'})")
        space.keeping_whole(spec.search.keep)
        return cls(task, splits, network)

    def images_scored(self, split: ImageSet) -> int | None:
        """How many images of `split` the task's score is a share of; None where it is another kind of score."""
        return len(split) if self.task.metric == "accuracy" else None


def pruner_of(spec: RunSpec, network: Network, splits: Splits) -> Pruner:
    """The pruner of `network` whose statistics are those of the calibration split."""
    images, search = splits.calibration, spec.search
    return Pruner(
        network.model,
        network.traced,
        images.inputs,
        labels=images.targets,
        criterion=search.criterion,
        seed=search.seed,
    )


def prepare(spec: RunSpec, folder: RunFolder | None, progress: Progress) -> Subject:
    """Load the task and the network, train the network if the task brings a recipe and no weights are given."""
    with progress.stage("loading"):
        task = load_task(spec.task)
        splits = draw_splits(task, spec.task, spec.search.seed)
    model = _dense(spec, task, splits, folder, progress)
    with progress.stage("tracing"):
        return Subject.of(spec, task, splits, model)


def _dense(spec: RunSpec, task: Task, splits: Splits, folder: RunFolder | None, progress: Progress) -> nn.Module:
    """The dense network; one that is trained here is kept in the run's folder, so that a resumed run has the same."""
    seed = spec.search.seed
    model = load_model(spec.model, num_classes=task.num_classes, seed=seed)
    if spec.model.weights is not None:
        return model
    if task.recipe is None and is_reference(spec.model.name):
        return model  # the user's function brings its weights
    if task.recipe is None:
        raise BadInput(
            f"{spec.model.name} has no weights, and task {task.name} does not say how to train it; "
            "give --weights, a .safetensors file"
        )
    kept, training = (folder.dense_weights, folder.in_training("dense")) if folder else (None, None)
    if kept is not None and kept.is_file():
        load_weights(model, kept)
        return model
    _require_finite(model, splits, spec.model.name)
    with progress.stage("tracing"):
        Subject.of(spec, task, splits, model)  # a mistake in the spec is told before minutes of training
    with progress.stage("training the dense network"):
        data = Data(splits.train, splits.validation, task.augment, task.score)
        trained = fit(model, data, task.recipe, seed=seed, kept=training, on_epoch=epochs(progress))
    if kept is not None and training is not None:
        write_atomic(kept, save(dict(trained.state_dict())))
        training.unlink(missing_ok=True)
    return trained


def _require_finite(model: nn.Module, splits: Splits, name: str) -> None:
    inputs, _ = splits.train.batch(torch.arange(1))
    with torch.no_grad():
        answer = model(inputs)
    if not bool(torch.isfinite(answer).all()):
        raise BadInput(f"{name} answers with NaN or infinity before any training; check its weights and initialisation")


def epochs(progress: Progress) -> Callable[[Epoch], None]:
    """Tell `progress` of each finished epoch."""

    def tell(epoch: Epoch) -> None:
        score = "" if epoch.validation_score is None else f", validation {epoch.validation_score:.4f}"
        progress.advance(epoch.number, epoch.epochs, f"loss {epoch.loss:.4f}{score}")

    return tell
