"""The stages of a run, in their order: profile, search, apply, fine-tune, export, measure.

Whatever a stage finds done it does not do again, so that a run that was killed goes on in the stage it was in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from autoprune.deploy.report.chosen import Chosen
from autoprune.pipeline.delivery.export import parity_images, policy_file, write_network
from autoprune.pipeline.delivery.generalisation import carried_over
from autoprune.pipeline.delivery.keeping import keep_when_measured
from autoprune.pipeline.delivery.measuring import candidates_of
from autoprune.pipeline.delivery.recovery import finetuned, with_blocks_trained
from autoprune.pipeline.delivery.report import measure_and_report, search_line
from autoprune.pipeline.goals.fronts import front_of, write_front
from autoprune.pipeline.goals.outcome import floor_line
from autoprune.pipeline.goals.search import Explored, Found, choose, explore_with
from autoprune.pipeline.stages.bench import Bench

Stage = Callable[[Bench], None]


def explore_into(bench: Bench) -> Explored:
    """Spend the search's trials; the front is written where one was asked for."""
    spec = bench.spec
    explored = explore_with(bench.scoring, spec, bench.progress)
    if spec.search.pareto:
        feasible = bench.costing.feasible(spec.search.budgets)
        write_front(front_of(spec, bench.subject, feasible, explored, bench.progress), spec, bench.folder)
    return explored


def choose_into(bench: Bench, explored: Explored) -> Found:
    """The chosen policy, which keeps its budgets when measured; policy.json is written."""
    spec = bench.spec
    chosen = choose(explored, bench.progress)
    found = keep_when_measured(spec, bench.subject, bench.costing, chosen, spec.device.device, bench.progress)
    policy_file(bench.subject.network, found.kept, spec.search.criterion).write(bench.folder.policy)
    return found


def _profile(bench: Bench) -> None:
    """Leaves table.json where one was needed."""
    bench.costing  # noqa: B018 - making it is the work


def _search(bench: Bench) -> None:
    """Leaves the study, policy.json, the refitted network, and what the report says of all this."""
    if bench.folder.chosen.is_file():
        return
    bench.folder.left_by("refitted").unlink(missing_ok=True)  # perhaps of a policy that was not the last
    explored = explore_into(bench)
    found = choose_into(bench, explored)
    bench.module("refitted", lambda: found.pruned)
    Chosen(
        search=search_line(bench.spec, explored),
        floor=floor_line(bench.subject, found),
        scores=carried_over(found),
    ).write(bench.folder.chosen)


def _apply(bench: Bench) -> None:
    """Leaves the pruned network, its blocks trained on the dense one's where the spec asks for that."""
    pruned_network(bench)


def pruned_network(bench: Bench) -> nn.Module:
    """The chosen network before any fine-tuning."""

    def make() -> nn.Module:
        refitted = bench.module("refitted", lambda: bench.scoring.pruner.apply_kept(bench.chosen[1]))
        return with_blocks_trained(bench.spec, bench.scoring.pruner, refitted, bench.chosen[1], bench.progress)

    return bench.module("pruned", make)


def _finetune(bench: Bench) -> None:
    """Leaves the fine-tuned network, where the spec asks for one."""
    final_network(bench)


def final_network(bench: Bench) -> nn.Module:
    """The network that is handed over: fine-tuned where it is to be."""
    if not bench.spec.finetune.epochs:
        return pruned_network(bench)

    training = bench.folder.in_training("finetuned")
    final = bench.module(
        "finetuned", lambda: finetuned(bench.spec, bench.subject, pruned_network(bench), bench.progress, training)
    )
    training.unlink(missing_ok=True)
    return final


def _export(bench: Bench) -> None:
    """Leaves model.onnx and, once that is checked, model.safetensors."""
    if bench.folder.weights.is_file():
        return
    images = parity_images(bench.subject.splits.test)
    final = final_network(bench)
    with bench.progress.stage("exporting"):
        write_network(final, bench.subject.network.images(bench.spec.device.batch), images, bench.folder)


def _measure(bench: Bench) -> None:
    """Leaves report.html and report.json: all networks measured in turns, and tested."""
    if bench.folder.report.is_file():
        return
    final = final_network(bench) if bench.spec.finetune.epochs else None
    candidates = candidates_of(bench.subject, bench.costing, bench.chosen[0], pruned_network(bench), final)
    chosen = Chosen.load(bench.folder.chosen)
    measure_and_report(
        bench.spec,
        bench.subject,
        bench.costing,
        bench.scoring.ledger,
        chosen,
        bench.chosen[0],
        candidates,
        bench.folder,
        bench.progress,
    )


STAGES: Mapping[str, Stage] = MappingProxyType(
    {
        "profile": _profile,
        "search": _search,
        "apply": _apply,
        "fine-tune": _finetune,
        "export": _export,
        "measure": _measure,
    }
)
