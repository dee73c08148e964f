"""The commands: each reads its flags, hands over to the pipeline, and prints what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import autoprune
from autoprune.cli import agents, criteria, recipes
from autoprune.cli.compare import compare
from autoprune.cli.flags import (
    Affinity,
    Json,
    ModelName,
    Provider,
    Shape,
    Threads,
    Weights,
    input_shape,
    section,
    takes_spec,
)
from autoprune.cli.groups import Group
from autoprune.cli.output import show_json, show_report, show_values
from autoprune.cli.progress import listening
from autoprune.cli.retarget import retarget
from autoprune.cli.search_screen import show_search
from autoprune.cli.sensitivity import sensitivity
from autoprune.cli.service import asking, running
from autoprune.cli.tables.commands import app as tables_app

if TYPE_CHECKING:
    from pydantic import BaseModel

    from autoprune.deploy.report.document import Report
    from autoprune.spec import RunSpec

app = typer.Typer(
    cls=Group,
    help="A smaller network that keeps its budget when it is measured on your device.",
    epilog="Exit codes: 0 success, 2 bad input, 1 a failure of autoprune, 130 interrupted.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(tables_app, name="tables")
app.add_typer(agents.app, name="agents")
app.add_typer(criteria.app, name="criteria")
app.add_typer(recipes.app, name="recipes")
app.add_typer(asking.app, name="jobs")
app.add_typer(running.token_app, name="token")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(autoprune.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    del version, debug  # the callback above and `main` act on them


@app.command("profile")
def profile(
    model: ModelName,
    shape: Shape,
    out: Annotated[Path | None, typer.Option("--out", metavar="TABLE", help="The table to write.")] = None,
    kit: Annotated[
        Path | None,
        typer.Option("--export-kit", metavar="KIT.pyz", help="Time nothing here: write a file to profile elsewhere."),
    ] = None,
    weights: Weights = None,
    threads: Threads = 1,
    provider: Provider = "cpu",
    affinity: Affinity = "",
    seconds: Annotated[float, typer.Option("--seconds", help="Time to spend on measuring kernels.")] = 60.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the widths that are sampled.")] = 0,
    as_json: Json = False,
) -> None:
    """Time a network's kernels on this device and write them as a table, or export a kit that does so elsewhere."""
    from autoprune import pipeline
    from autoprune.cli.tables.screen import show_profile, verify_command
    from autoprune.errors import BadInput
    from autoprune.spec import DeviceSpec, ModelSpec

    place = out or kit
    if place is None or (out and kit):
        raise BadInput("give --out TABLE to profile this device, or --export-kit KIT.pyz to profile another one")
    size = input_shape(shape)
    network = section(ModelSpec, name=model, weights=weights)
    device = section(DeviceSpec, provider=provider, threads=threads, affinity=affinity, batch=size[0], seconds=seconds)
    job = pipeline.profile if out else pipeline.export_kit
    with listening() as progress:
        result = job(network, device, size, place, progress, seed=seed)
    if as_json or isinstance(result, pipeline.KitResult):
        _show(result, as_json)
    else:
        show_profile(result, verify_command(str(place), model, size, weights))


@app.command("search")
@takes_spec
def search(spec: RunSpec, out: Path, as_json: bool) -> None:
    """Find which channels to keep: under a budget, down to a floor, or a front; the same command again resumes."""
    from autoprune import pipeline

    with listening() as progress:
        result = pipeline.search(spec, out, progress)
    show_search(result, as_json)


@app.command("apply")
def apply(
    policy: Annotated[Path, typer.Option("--policy", help="The policy.json of a search.")],
    model: ModelName,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the pruned network.")],
    weights: Weights = None,
    task: Annotated[str | None, typer.Option("--task", help="Refit on this task's images, and score on them.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="File or folder of the task's data.")] = None,
    as_json: Json = False,
) -> None:
    """Cut a network as a policy says, and export it."""
    from autoprune import pipeline
    from autoprune.errors import BadInput
    from autoprune.spec import ModelSpec, TaskSpec

    if data is not None and task is None:
        raise BadInput("--data needs --task, which says how to read it")
    network = section(ModelSpec, name=model, weights=weights)
    images = section(TaskSpec, name=task, data=data) if task is not None else None
    with listening() as progress:
        result = pipeline.apply_policy(policy, network, images, out, progress)
    _show(result, as_json)


@app.command("run")
@takes_spec
def run(spec: RunSpec, out: Path, as_json: bool) -> None:
    """Profile if needed, search, apply, fine-tune, export, measure, report; the same command again resumes."""
    from autoprune import pipeline

    with listening() as progress:
        result = pipeline.run(spec, out, progress)
    _show_report(result, out, as_json)


app.command("compare")(compare)
app.command("sensitivity")(sensitivity)
app.command("retarget")(retarget)
app.command("serve")(running.serve)
app.command("worker")(running.worker)
app.command("submit")(asking.submit)
app.command("fetch")(asking.fetch)
app.command("measure")(asking.measure)


@app.command("report")
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished run.")],
    as_json: Json = False,
) -> None:
    """Show a run's outcome, and write its report.html anew."""
    from autoprune import pipeline

    with listening():
        result = pipeline.report(folder)
    _show_report(result, folder, as_json)


def _show(result: BaseModel, as_json: bool) -> None:
    document = result.model_dump(mode="json", by_alias=True)
    if as_json:
        show_json(document)
    else:
        show_values(document)


def _show_report(result: Report, folder: Path, as_json: bool) -> None:
    from autoprune.deploy.run_folder import RunFolder

    if as_json:
        show_json(result.model_dump(mode="json", by_alias=True))
    else:
        show_report(result, RunFolder(folder).page)
