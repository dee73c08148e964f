"""autoprune tables: look at latency tables, check one against the clock, take one in from another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoprune.cli.flags import Json, ModelName, Weights, input_shape, section
from autoprune.cli.output import show_json, show_rows, show_values
from autoprune.cli.progress import listening

if TYPE_CHECKING:
    from autoprune.profiler.table import LatencyTable

app = typer.Typer(help="Latency tables: times of kernels, measured on a device.", rich_markup_mode="rich")

TableName = Annotated[str, typer.Argument(metavar="TABLE", help="A file, or DEVICE/NAME as `tables list` shows it.")]


@app.command("list")
def list_tables(as_json: Json = False) -> None:
    """Every table that is installed."""
    from autoprune.profiler.tables import find_tables

    found = [_summary(path, table) for path, table in find_tables().items()]
    if as_json:
        show_json(found)
        return
    columns = ("name", "threads", "runtime", "created", "kernels", "networks")
    show_rows(columns, [[*(str(t[c]) for c in columns[:-1]), ", ".join(t["networks"])] for t in found])


@app.command("show")
def show_table(table: TableName, as_json: Json = False) -> None:
    """One table: its device, and how well it predicts the networks that were profiled into it."""
    path, found = _find(table)
    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
        return
    show_values({**_summary(path, found), "networks": None, **found.fingerprint.model_dump(mode="json")})
    if found.networks:
        columns = ("network", "scale", "constant ms", "fitted on", "mean error", "unexplained", "verified mean error")
        fits = [
            (f.name, f.scale, f.constant_ms, f.networks, f.mape, f.unexplained, f.verification and f.verification.mape)
            for f in found.networks.values()
        ]
        print()
        show_rows(columns, [["–" if cell is None else cell for cell in fit] for fit in fits])


@app.command("verify")
def verify(
    table: TableName,
    model: ModelName,
    weights: Weights = None,
    shape: Annotated[
        str | None, typer.Option("--input", metavar="N,C,H,W", help="Batch and shape of the input.")
    ] = None,
    networks: Annotated[int, typer.Option("--networks", min=2, help="Unseen networks to measure.")] = 30,
    as_json: Json = False,
) -> None:
    """Measure networks that the table was not made from, and compare them with what it predicts."""
    from autoprune import pipeline
    from autoprune.spec import ModelSpec

    path, _ = _find(table)
    network = section(ModelSpec, name=model, weights=weights)
    size = None if shape is None else input_shape(shape)
    with listening() as progress:
        found = pipeline.verify_table(path, network, size, networks, progress)
    if as_json:
        show_json(found)
    else:
        show_values({key: value for key, value in found.items() if key != "rows"})


@app.command("import")
def import_table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table, as `profile` writes it.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="The table to add to (default: that of FILE's device).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a table, measured here or on another machine, to those that are installed; newer rows replace older ones."""
    from autoprune.data_files import data_folder
    from autoprune.profiler.table import LatencyTable

    table = LatencyTable.load(file)
    place = to or data_folder("latency_tables") / table.fingerprint.folder / f"{file.stem}.json"
    merged = LatencyTable.load(place).merge(table) if place.exists() else table
    merged.save(place)
    if as_json:
        show_json(_summary(place, merged))
    else:
        show_values(_summary(place, merged))


def _find(name: str) -> tuple[Path, LatencyTable]:
    """The table in the file `name`, or the installed one of that name; raises `BadInput` where there is neither."""
    from autoprune.profiler.table import LatencyTable
    from autoprune.profiler.tables import find_tables

    if not Path(name).exists():
        for path, table in find_tables().items():
            if name == _name(path):
                return path, table
    return Path(name), LatencyTable.load(Path(name))


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _summary(path: Path, table: LatencyTable) -> dict[str, Any]:
    return {
        "name": _name(path),
        "path": str(path),
        "device": table.fingerprint.gpu or table.fingerprint.cpu,
        "provider": table.fingerprint.provider,
        "threads": table.fingerprint.threads,
        "runtime": table.fingerprint.runtime,
        "created": table.created.isoformat(),
        "kernels": len(table.rows),
        "networks": [fit.name for fit in table.networks.values()],
    }
