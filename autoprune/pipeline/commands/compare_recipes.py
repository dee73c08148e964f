"""The comparison of recipes: one network, the same budgets, images and epochs for all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from autoprune.cost import Measurement
from autoprune.deploy.document.goals import BudgetLine
from autoprune.deploy.document.standing import Latency
from autoprune.deploy.onnx_file.measure import measure_in_turns
from autoprune.deploy.onnx_file.parity import require_parity
from autoprune.deploy.recipes.document import PrunedLine, RecipeRow, RecipesComparison, SparseLine
from autoprune.deploy.recipes.page import render
from autoprune.deploy.run_folder import RunFolder
from autoprune.errors import BadInput, Diverged
from autoprune.files import write_atomic
from autoprune.pipeline.costs.costing import Costing, cost_policies
from autoprune.pipeline.delivery.export import exported, parity_images
from autoprune.pipeline.goals.outcome import budgets_elsewhere
from autoprune.pipeline.scores.split_scores import split_scores
from autoprune.pipeline.subject import Subject, prepare
from autoprune.progress import Progress, Silent
from autoprune.spec import RunSpec
from autoprune.training import Data
from autoprune.training.recipes import Context, Pruned, Recipe, find_recipes

_SILENT = Silent()


def compare_recipes(spec: RunSpec, names: Sequence[str], out: Path, progress: Progress = _SILENT) -> RecipesComparison:
    """Prune the spec's network to its budgets by each recipe (`all` for all), and score it before and after recovery.

    Every network is exported, run, and measured in turns with the dense one. Writes recipes.json after
    every recipe, and recipes.html in the end; the same call again resumes, within a recipe from the last epoch.

    Raises `BadInput` where nothing limits the policies, or a name is no recipe's.
    """
    chosen = find_recipes(names)
    if spec.search.floor or spec.search.pareto or not (spec.search.budgets or spec.also):
        raise BadInput("recipes are compared under budgets alone, without a floor or a front; give --budget macs=0.5x")
    folder = RunFolder.claim(out, spec)
    subject = prepare(spec, folder, progress)
    costing = cost_policies(subject.network, spec, folder.table, progress)
    bench = _Bench(spec, subject, costing, folder, progress)
    held = folder.recipes
    found = RecipesComparison.load(held) if held.is_file() else bench.nothing_yet()
    for recipe in chosen:
        if found.row(recipe.name) is None:
            found = found.model_copy(update={"rows": (*found.rows, bench.row(recipe))})
            found.write(held)
    write_atomic(folder.recipes_page, render(found, spec.to_toml()))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """What all recipes have in common."""

    spec: RunSpec
    subject: Subject
    costing: Costing
    folder: RunFolder
    progress: Progress

    def nothing_yet(self) -> RecipesComparison:
        """The comparison before its first row."""
        subject, dense, recipes = self.subject, self.costing.model.cost(self.costing.space.dense()), self.spec.recipes
        return RecipesComparison(
            model=self.spec.model.name,
            task=subject.task.name,
            metric=subject.task.metric,
            budgets=tuple(BudgetLine.of(budget) for budget in self.spec.search.budgets),
            also=budgets_elsewhere(self.spec, self.costing),
            seed=self.spec.search.seed,
            epochs=recipes.epochs,
            recovery=recipes.recovery,
            scratch=recipes.scratch,
            train_images=len(subject.splits.train),
            selection_images=len(subject.splits.selection),
            test_images=len(subject.splits.test),
            dense=split_scores(self.subject, subject.network.model),
            dense_macs=round(dense.macs),
            dense_params=round(dense.params),
            rows=(),
        )

    def row(self, recipe: Recipe) -> RecipeRow:
        """What becomes of the network by `recipe`; its trainings' states go once that is known."""
        row = RecipeRow(recipe=recipe.name, kind=recipe.kind, summary=recipe.summary, source=recipe.source)
        states = self.folder.recipe_in_training(recipe.name)
        try:
            row = row.model_copy(update={"pruned": self._line(recipe, self._context(states))})
        except Diverged as error:  # which is a finding
            row = row.model_copy(update={"failed": str(error)})
        shutil.rmtree(states, ignore_errors=True)
        return row

    def _context(self, states: Path) -> Context:
        task, splits, network = self.subject.task, self.subject.splits, self.subject.network
        return Context(
            dense=network.model,
            traced=network.traced,
            feasible=self.costing.feasible(self.spec.search.budgets),
            data=Data(splits.train, splits.selection, task.strongest, task.score),
            calibration=splits.calibration.inputs,
            spec=self.spec.recipes,
            seed=self.spec.search.seed,
            progress=self.progress,
            folder=states,
        )

    def _line(self, recipe: Recipe, context: Context) -> PrunedLine:
        start = time.perf_counter()
        with self.progress.stage(f"{recipe.name}: pruning"):
            pruned = recipe.prune(context)
        middle = time.perf_counter()
        with self.progress.stage(f"{recipe.name}: recovery"):
            recovered = recipe.recover(context, pruned)
        end = time.perf_counter()
        with self.progress.stage(f"{recipe.name}: measuring"):
            line = self._measured(pruned, recovered)
        return line.model_copy(update={"pruning_seconds": middle - start, "recovery_seconds": end - middle})

    def _measured(self, pruned: Pruned, recovered: nn.Module) -> PrunedLine:
        network, cost = self.subject.network, self.costing.model.cost(pruned.policy)
        modules = [network.model, recovered, *([pruned.sparse.network] if pruned.sparse else [])]
        with exported(modules, network.images(self.spec.device.batch)) as paths:
            parity = require_parity(recovered, paths[1], parity_images(self.subject.splits.selection))
            dense, small, *sparse = map(_latency, measure_in_turns(paths, device=self.spec.device.device))
        line = PrunedLine(
            before=split_scores(self.subject, pruned.network),
            after=split_scores(self.subject, recovered),
            macs=round(cost.macs),
            params=round(cost.params),
            latency_ms=small,
            dense_latency_ms=dense,
            pruning_seconds=0,
            recovery_seconds=0,
            parity=parity,
        )
        if pruned.sparse is None:
            return line
        told = SparseLine(
            sparsity=pruned.sparse.sparsity,
            scores=split_scores(self.subject, pruned.sparse.network),
            latency_ms=sparse[0],
        )
        return line.model_copy(update={"sparse": told})


def _latency(measured: Measurement) -> Latency:
    return Latency(measured=measured.median, spread=measured.spread)
