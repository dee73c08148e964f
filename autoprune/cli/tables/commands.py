"""autoprune tables: look at latency tables, check one against the clock, take one in from another machine."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoprune.cli.flags import Json, Weights, input_shape, section
from autoprune.cli.output import show_json, show_values
from autoprune.cli.progress import listening
from autoprune.errors import BadInput

if TYPE_CHECKING:
    from autoprune.profiler.table.latency_table import LatencyTable
    from autoprune.profiler.table.row import Row
    from autoprune.profiler.table.stairs import Step
    from autoprune.tables.review import Review

app = typer.Typer(help="Latency tables: times of kernels, measured on a device.", rich_markup_mode="rich")

TableName = Annotated[str, typer.Argument(metavar="TABLE", help="A file, or DEVICE/NAME as `tables list` shows it.")]


@app.command("list")
def list_tables(as_json: Json = False) -> None:
    """Every table that is installed."""
    from autoprune.cli.tables.screen import show_tables
    from autoprune.tables.installed import find_tables

    found = find_tables()
    if as_json:
        show_json([_summary(path, table) for path, table in found.items()])
    else:
        show_tables({_name(path): table for path, table in found.items()})


@app.command("show")
def show_table(
    table: TableName,
    network: Annotated[
        str | None, typer.Option("--network", metavar="NAME", help="Only this network: its name, or its digest.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="GROUP", help="Draw what each width of this channel group costs.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="With --layer: draw it to this .svg or .png.")
    ] = None,
    kernels: Annotated[bool, typer.Option("--kernels", help="List every kernel, the slowest first.")] = False,
    as_json: Json = False,
) -> None:
    """One table: its device, how it was measured, and what it knows of its networks."""
    if plot is not None and layer is None:
        raise BadInput("--plot draws one channel group; say which with --layer GROUP")
    if kernels and (layer is not None or network is not None):
        raise BadInput("--kernels lists all kernels of the table; leave out --layer and --network")
    path, found = _find(table)
    if layer is not None:
        _show_layer(found, layer, network, plot, as_json)
    elif kernels:
        _show_kernels(found, as_json)
    else:
        _show_whole(table, path, found, network, as_json)


def _show_layer(table: LatencyTable, layer: str, network: str | None, plot: Path | None, as_json: bool) -> None:
    from autoprune.cli.tables.stairs import show_stairs
    from autoprune.tables.review import Review, find_group

    digest, index = find_group(table, layer, network)
    review = Review.of(table, digest)
    steps, held = review.stairs[index], review.profile
    if plot is not None:
        from autoprune.deploy.table.stairs import write_stairs

        write_stairs(held, layer, steps, plot)
    if as_json:
        drawn = str(plot) if plot is not None else None
        about = {"network": held.name, "digest": digest, "input_shape": list(held.input_shape), "group": layer}
        show_json({**about, "steps": [_step(step) for step in steps], "plot": drawn})
    else:
        show_stairs(held, layer, steps)
        if plot is not None:
            show_values({"plot": str(plot)})


def _show_kernels(table: LatencyTable, as_json: bool) -> None:
    from autoprune.cli.tables.screen import show_kernels, slowest_first

    rows = slowest_first(table.rows)
    if as_json:
        show_json(_with_energy(table, rows))
    else:
        show_kernels(table, rows)


def _with_energy(table: LatencyTable, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows as they are written, and what each kernel takes by the table's energy model (null: not known)."""
    from autoprune.profiler.table.written import document

    return [{**document(row), "energy_mj": table.row_energy_mj(row)} for row in rows]


def _show_whole(given: str, path: Path, table: LatencyTable, network: str | None, as_json: bool) -> None:
    from autoprune.cli.tables import screen
    from autoprune.profiler.table.written import document
    from autoprune.tables.review import Review, find_network

    digests = list(table.networks) if network is None else [find_network(table, network)]
    reviews = [Review.of(table, digest) for digest in digests]
    if as_json:
        networks = {review.digest: {**document(review.profile), **_reviewed(review)} for review in reviews}
        whole = {**document(table), "networks": networks, "rows": _with_energy(table, table.rows)}
        show_json({"name": _name(path), "path": str(path), **whole})
    else:
        screen.show_table(given, path, table, reviews)


def _reviewed(review: Review) -> dict[str, Any]:
    """What is not written in the table: where its predictions come from, and the stairs by channel group."""
    from autoprune.profiler.table.written import document

    groups = zip(review.profile.groups, review.stairs, strict=True)
    return {
        "coverage": document(review.coverage),
        "measured_widths": review.measured_widths,
        "offered_widths": review.offered_widths,
        "stairs": {group.name: [_step(step) for step in steps] for group, steps in groups},
    }


def _step(step: Step) -> dict[str, Any]:
    known = math.isfinite(step.ms)  # JSON has no infinity
    return {**asdict(step), "ms": step.ms if known else None, "error_ms": step.error_ms if known else None}


@app.command("verify")
def verify(
    table: TableName,
    model: Annotated[str | None, typer.Option("--model", help="A network that the table holds.")] = None,
    weights: Weights = None,
    shape: Annotated[
        str | None, typer.Option("--input", metavar="N,C,H,W", help="Batch and shape of the input.")
    ] = None,
    spec: Annotated[
        Path | None, typer.Option("--spec", metavar="SPEC.toml", help="The network of this run, instead of --model.")
    ] = None,
    networks: Annotated[int, typer.Option("--networks", min=2, help="Unseen networks to measure.")] = 30,
    as_json: Json = False,
) -> None:
    """Measure networks that the table was not made from, and compare them with what it predicts."""
    from autoprune import pipeline
    from autoprune.cli.tables.screen import show_verification
    from autoprune.profiler.table.written import document
    from autoprune.spec import ModelSpec, RunSpec

    if (model is None) == (spec is None):
        raise BadInput("say which network of the table to check: --model NAME, or --spec SPEC.toml of a run")
    if spec is not None and (weights is not None or shape is not None):
        raise BadInput("--spec says weights and input; leave out --weights and --input")
    path, _ = _find(table)
    with listening() as progress:
        if spec is not None:
            found = pipeline.verify_table_of_run(path, RunSpec.load(spec), networks, progress)
        else:
            network = section(ModelSpec, name=model, weights=weights)
            size = None if shape is None else input_shape(shape)
            found = pipeline.verify_table(path, network, size, networks, progress)
    if as_json:
        show_json(document(found))
    else:
        show_verification(found)


@app.command("import")
def import_table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table, as `profile` writes it.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="The table to add to (default: that of FILE's device).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a table, measured here or on another machine, to those that are installed; other networks' rows stay."""
    from autoprune.data_files import data_folder
    from autoprune.profiler.table.merging import merge
    from autoprune.tables.reading import read_table

    table = read_table(file)
    place = to or _installed_as(data_folder("latency_tables") / table.fingerprint.folder, _bare(file))
    merged = merge(read_table(place), table) if place.exists() else table
    merged.save(place)
    if as_json:
        show_json(_summary(place, merged))
    else:
        show_values({**_summary(place, merged), "networks": ", ".join(n.name for n in merged.networks.values())})


def _find(name: str) -> tuple[Path, LatencyTable]:
    """The table in the file `name`, or the installed one of that name; raises `BadInput` where there is neither."""
    from autoprune.tables.installed import table_paths
    from autoprune.tables.reading import read_table

    path = Path(name)
    if not path.exists():
        installed = {_name(found): found for found in table_paths()}
        if name not in installed and (near := difflib.get_close_matches(name, installed, n=3)):
            raise BadInput(f"{name}: no such latency table; did you mean {' or '.join(near)}?")
        path = installed.get(name, path)
    return path, read_table(path)


def _name(path: Path) -> str:
    return f"{path.parent.name}/{_bare(path)}"


def _installed_as(folder: Path, name: str) -> Path:
    """The file of the table `name` in `folder`: the packed one where that is there already."""
    packed = folder / f"{name}.json.gz"
    return packed if packed.exists() else folder / f"{name}.json"


def _bare(path: Path) -> str:
    """A table's file name without what says that it is one, packed or not."""
    return path.name.removesuffix(".gz").removesuffix(".json")


def _summary(path: Path, table: LatencyTable) -> dict[str, Any]:
    return {
        "name": _name(path),
        "path": str(path),
        "device": table.fingerprint.gpu or table.fingerprint.cpu,
        "provider": table.fingerprint.provider,
        "threads": table.fingerprint.threads,
        "runtime": table.fingerprint.runtime,
        "created": table.created,
        "kernels": len(table.rows),
        "networks": [
            {
                "name": network.name,
                "digest": digest,
                "input_shape": list(network.input_shape),
                "within_5pct": network.verification.within_5pct if network.verification else None,
            }
            for digest, network in table.networks.items()
        ],
    }
