"""What a recipe is: when and how channels are taken away, and how the network recovers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from autoprune.cost import FloatArray, IntArray
from autoprune.feasible import FeasibleSet
from autoprune.progress import Progress, Silent
from autoprune.pruning import Pruner
from autoprune.pruning.features import is_linear_map
from autoprune.pruning.sequential import Effort, SequentialRefit
from autoprune.space import Policy
from autoprune.spec import RecipesSpec, TrainingSpec
from autoprune.tracing.slicing import unit_masks
from autoprune.tracing.trace import Traced
from autoprune.training.channels import Channels
from autoprune.training.data import Data
from autoprune.training.fit import fit
from autoprune.training.loop import Epoch
from autoprune.training.method import Method
from autoprune.training.recipes.allocation import allocate, kept_units

Kind = Literal["after training", "during training", "before training", "accuracy-preserving"]
Scores = Sequence[FloatArray]

_IMAGES, _EFFORT = 256, Effort(rows=8192, hold=0.03)  # what a search's previews are refitted with
_SILENT = Silent()


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """A network of the dense one's shapes with single weights at zero, and the share of all weights that is."""

    network: nn.Module
    sparsity: float


@dataclass(frozen=True, slots=True, eq=False)
class Pruned:
    """Where every recipe ends: the units `kept` in each group, and the smaller network, not recovered yet.

    `sparse` is what a recipe that takes single weights away had before channels were cut.
    """

    policy: Policy
    kept: tuple[IntArray, ...]
    network: nn.Module
    sparse: Sparse | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What a recipe works with: the trained `dense` network, the budgets, and data; it changes none of them.

    `calibration` [N, ...] are inputs for statistics. Trainings leave their state in `folder`, if there is one.
    """

    dense: nn.Module
    traced: Traced
    feasible: FeasibleSet
    data: Data
    calibration: Tensor
    spec: RecipesSpec
    seed: int = 0
    progress: Progress = _SILENT
    folder: Path | None = None

    @property
    def channels(self) -> Channels:
        """Where the units lie in the network's weights."""
        return Channels(self.traced)

    @property
    def silent(self) -> Context:
        """The same with nobody who listens: a method that holds this can be sent to other processes."""
        return replace(self, progress=_SILENT)

    def train(
        self,
        network: nn.Module,
        spec: TrainingSpec,
        what: str,
        method: Method | None = None,
        *,
        teacher: nn.Module | None = None,
        judged: bool = False,
    ) -> nn.Module:
        """`network` trained; the last epoch is taken, or, if `judged`, the best one on the images that judge."""
        return fit(
            network,
            self.data if judged else replace(self.data, judging=None),
            spec,
            teacher=teacher,
            method=method,
            seed=self.seed,
            kept=self.folder / f"{what}.safetensors" if self.folder else None,
            on_epoch=self._tell,
        )

    def importance(self, network: nn.Module) -> Scores:
        """Of each group's units [units] what is damaged once they and all that matter less are gone: see `Pruner`."""
        pruner = Pruner(network, self.traced, self.calibration, seed=self.seed)
        scores = []
        for ranking in pruner.ranking:
            own = torch.empty(len(ranking.order), dtype=torch.float64).numpy()
            own[ranking.order] = ranking.damage[1:]
            scores.append(own)
        return scores

    def cut(self, network: nn.Module, scores: Scores, feasible: FeasibleSet | None = None) -> Pruned:
        """The units of the highest `scores` kept, as many as the budgets allow: see `allocate`."""
        feasible = feasible or self.feasible
        policy = allocate(scores, feasible)
        return self.keep(network, kept_units(scores, policy, feasible), policy)

    def keep(self, network: nn.Module, kept: Sequence[IntArray], policy: Policy) -> Pruned:
        """`network` sliced, and refitted layer by layer toward what it answered before (He et al., ICCV 2017)."""
        small = self.traced.slice(network, kept)
        modules, masks = dict(network.named_modules()), unit_masks(self.traced.units, kept)
        layers = [name for name in self.traced.order if is_linear_map(modules[name])]
        made = {name: axis for name in self.traced.order if (axis := self.traced.axis(f"{name}.weight", 0))}
        outputs = {name: torch.from_numpy(axis.kept(masks)) for name, axis in made.items()}
        refit = SequentialRefit(network, layers, self.traced, self.calibration[:_IMAGES], _EFFORT)
        refit(small, outputs)
        return Pruned(policy, tuple(kept), small.eval())

    def _tell(self, epoch: Epoch) -> None:
        self.progress.advance(epoch.number, epoch.epochs, f"loss {epoch.loss:.4f}")


def finetuned(context: Context, pruned: Pruned) -> nn.Module:
    """The usual recovery: trained on at a tenth of the original rate, the best epoch kept."""
    return context.train(pruned.network, context.spec.finetuning, "recovery", judged=True)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe: `prune` gives the smaller network, `recover` trains that."""

    name: str
    kind: Kind
    summary: str
    source: str
    prune: Callable[[Context], Pruned]
    recover: Callable[[Context, Pruned], nn.Module] = finetuned


def numbers(units: Sequence[Tensor]) -> list[FloatArray]:
    """One number a unit, as scores."""
    return [own.detach().cpu().double().numpy() for own in units]


def evened(units: Sequence[Tensor]) -> list[FloatArray]:
    """The same as shares of their group's mean, so that groups whose weights differ in size can be compared."""
    return [own / (own.mean() or 1.0) for own in numbers(units)]
