"""The main job from Python: `autoprune.prune(model, task, budget="latency=0.5x")`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from autoprune.deploy.report.document import Report
from autoprune.deploy.run_folder import RunFolder
from autoprune.evaluation.registry import load_task
from autoprune.evaluation.splits import draw_splits
from autoprune.evaluation.task import Task
from autoprune.models import fingerprint
from autoprune.pipeline.commands.run import require_choice, require_hardware, run_stages
from autoprune.pipeline.stages.bench import Bench
from autoprune.pipeline.stages.sequence import final_network
from autoprune.pipeline.subject import Subject
from autoprune.progress import Progress, Silent
from autoprune.space import Policy
from autoprune.spec import RunSpec


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A pruned network in eval mode (fine-tuned where that was asked for), its policy, report, and run folder."""

    module: nn.Module
    policy: Policy
    report: Report
    folder: Path


def prune(
    model: nn.Module | str,
    task: Task | str,
    budget: str | Sequence[str] = "latency=0.5x",
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **sections: dict[str, Any],
) -> Result:
    """Search, prune, export and measure; the same as `autoprune run`.

    `model` is a trained module or a name, `task` a `Task` or a name, `budget` one budget or several,
    or none, `()`, where `search={"floor": "dense-0.01", "minimise": "latency"}` says what is wanted.
    `sections` are those of a RunSpec: `search={"trials": 100}`, `finetune={"epochs": 10}`,
    `device={"threads": 2}`, `task_options={"data": "cifar10.npz"}`, `model_options={"weights": ...}`.
    `out` is the run's folder, by default runs/NAME; the same call again resumes.
    Raises `BadInput` where the model, the data or a setting breaks a rule.
    """
    budgets = [budget] if isinstance(budget, str) else list(budget)
    spec = _spec(model, task, budgets, sections)
    require_choice(spec)
    place = Path(out) if out is not None else Path("runs") / spec.name
    require_hardware(spec, place)
    folder = RunFolder.claim(place, spec)
    by_name = isinstance(model, str) and isinstance(task, str)
    bench = Bench(spec, folder, progress or Silent(), None if by_name else _subject(model, task, spec))
    report = run_stages(bench)
    return Result(final_network(bench), bench.chosen[0], report, folder.path)


def _spec(model: nn.Module | str, task: Task | str, budgets: list[str], sections: dict[str, dict[str, Any]]) -> RunSpec:
    network = model if isinstance(model, str) else type(model).__name__
    data = task if isinstance(task, str) else task.name
    rest = dict(sections)
    name = "".join(c if c.isalnum() or c in "._-" else "_" for c in f"{network}_{data}_{'_'.join(budgets)}")
    tree: dict[str, Any] = {
        "name": name,
        "model": {"name": network, **rest.pop("model_options", {})},
        "task": {"name": data, **rest.pop("task_options", {})},
        "search": {"budgets": budgets, **rest.pop("search", {})},
        **rest,
    }
    if not isinstance(model, str):
        # A module in memory has no name that could tell two of them apart in a run folder: its weights do.
        tree["model"]["options"] = {"fingerprint": fingerprint(model)}
    return RunSpec.parse(tree, "autoprune.prune")


def _subject(model: nn.Module | str, task: Task | str, spec: RunSpec) -> Subject:
    from autoprune.models import load_model

    data = task if isinstance(task, Task) else load_task(spec.task)
    splits = draw_splits(data, spec.task, spec.search.seed)
    network = load_model(spec.model, num_classes=data.num_classes) if isinstance(model, str) else model
    return Subject.of(spec, data, splits, network)
