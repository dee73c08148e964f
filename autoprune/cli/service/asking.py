"""autoprune submit, jobs, fetch: the commands that speak to a service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoprune.cli.flags import Json, spec_command
from autoprune.cli.output import show_json, show_rows, show_values
from autoprune.cli.service.running import service_extra
from autoprune.errors import BadInput

if TYPE_CHECKING:
    from autoprune.client import Client, Event, JobDocument
    from autoprune.spec import RunSpec

Url = Annotated[str, typer.Option("--url", envvar="AUTOPRUNE_URL", help="Address of the service.", show_default=False)]
Token = Annotated[
    str | None, typer.Option("--token", envvar="AUTOPRUNE_TOKEN", help="Token of the service.", show_envvar=True)
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="As `autoprune submit` has shown it.")]
_URL = "http://127.0.0.1:8080"

app = typer.Typer(help="Jobs of a service: list, show, watch, cancel, delete.", rich_markup_mode="rich")


@contextmanager
def _client(url: str, token: str | None) -> Iterator[Client]:
    with service_extra():
        from autoprune.client import Client
    with Client(url, token) as client:
        yield client


@spec_command()
def submit(
    spec: RunSpec,
    out: Path,
    as_json: bool,
    device: Annotated[str | None, typer.Option("--device", help="The server's device to measure on.")] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same again answers with the same job.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the job until it is over, and fetch its files.")] = False,
    url: Url = _URL,
    token: Token = None,
) -> None:
    """Submit a run to a service; weights and tables that are files here are uploaded first."""
    with _client(url, token) as client:
        job = client.submit(_uploaded(spec, client), device=device, key=key)
        if wait:
            job = _watched(client, job.id, as_json)
            if job.state == "done":
                client.fetch(job.id, out)
    _show(job, as_json)
    if wait:
        _end_as(job)


def _uploaded(spec: RunSpec, client: Client) -> RunSpec:
    """The spec with the files that lie here given by the ids of their uploads."""

    def given(path: Path | None, kind: Any) -> Path | None:
        return Path(client.upload(path, kind).id) if path is not None and path.is_file() else path

    model = spec.model.model_copy(update={"weights": given(spec.model.weights, "weights")})
    device = spec.device.model_copy(update={"table": given(spec.device.table, "table")})
    also = tuple(other.model_copy(update={"table": given(other.table, "table")}) for other in spec.also)
    return spec.model_copy(update={"model": model, "device": device, "also": also})


def measure(
    networks: Annotated[list[Path], typer.Argument(metavar="FILE.onnx...", help="ONNX files, measured in turns.")],
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of the runtime.")] = 1,
    device: Annotated[str | None, typer.Option("--device", help="The server's device to measure on.")] = None,
    url: Url = _URL,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Measure the latency of ONNX files on a device of a service, several in turns; the files are uploaded first."""
    with _client(url, token) as client:
        from autoprune.client import MeasuredNetwork, MeasureRequest

        uploads = tuple(client.upload(path, "network").id for path in networks)
        job = _watched(
            client, client.measure(MeasureRequest(networks=uploads, threads=threads), device=device).id, as_json
        )
        _require_done(job)
        with TemporaryDirectory() as folder:
            [path] = client.fetch(job.id, Path(folder), ["measurement.json"])
            told = json.loads(path.read_text())
    if as_json:
        show_json(told)
        return
    found = [MeasuredNetwork.model_validate(one) for one in told["networks"]]
    rows = [
        (path, f"{one.median_ms:.4g}", f"{one.spread_ms:.2g}", f"{one.median_ms / found[0].median_ms:.2f}x")
        for path, one in zip(networks, found, strict=True)
    ]
    show_rows(("network", "median (ms)", "spread (ms)", "against the first"), rows)


@app.command("list")
def list_jobs(
    state: Annotated[
        list[str] | None, typer.Option("--state", help="queued, running, done, ...; may be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Part of the name.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many, newest first.")] = 50,
    before: Annotated[
        str | None, typer.Option("--before", metavar="JOB", help="Those before this one: `next` of a list.")
    ] = None,
    url: Url = _URL,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """The newest jobs. With --json: `jobs`, and `next`, which --before takes for those after them; null at the end."""
    with _client(url, token) as client:
        page = client.page(states=state or (), name=name, before=before, limit=limit)
    if as_json:
        show_json(page.model_dump(mode="json"))
        return
    show_rows(("job", "name", "state", "stage"), [(job.id, job.name, job.state, _standing(job)) for job in page.jobs])
    if page.next is not None:
        typer.echo(f"there are older ones: --before {page.next}", err=True)


@app.command("show")
def show_job(job: JobId, url: Url = _URL, token: Token = None, as_json: Json = False) -> None:
    """Where a job stands."""
    with _client(url, token) as client:
        _show(client.job(job), as_json)


@app.command("watch")
def watch_job(job: JobId, url: Url = _URL, token: Token = None, as_json: Json = False) -> None:
    """What happens to a job, until it is over. The exit code is 1 where it was not done then."""
    with _client(url, token) as client:
        over = _watched(client, job, as_json)
    _show(over, as_json)
    _end_as(over)


@app.command("cancel")
def cancel_job(job: JobId, url: Url = _URL, token: Token = None, as_json: Json = False) -> None:
    """Stop a job."""
    with _client(url, token) as client:
        _show(client.cancel(job), as_json)


@app.command("delete")
def delete_job(job: JobId, url: Url = _URL, token: Token = None) -> None:
    """Delete a job that is over, and its files on the server."""
    with _client(url, token) as client:
        client.delete(job)


def fetch(
    job: JobId,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the job's files.")],
    url: Url = _URL,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Fetch what a job has made: policy, network, report."""
    with _client(url, token) as client:
        _require_done(client.job(job))
        paths = [str(path) for path in client.fetch(job, out)]
    if as_json:
        show_json(paths)
    else:
        show_rows(("file",), [(path,) for path in paths])


def _require_done(job: JobDocument) -> None:
    """Raise `BadInput` for a job that has not made its files: how it stands, and what to do."""
    if job.state == "failed":
        raise BadInput(f"{job.id} has failed and made no network: {job.error}")
    if job.state == "cancelled":
        raise BadInput(f"{job.id} was cancelled and made no network; autoprune submit starts another")
    if job.state != "done":
        standing = f"{job.state} ({_standing(job)})" if job.state == "running" else job.state
        raise BadInput(f"{job.id} is {standing}; to wait until it is done: autoprune jobs watch {job.id}")


def _watched(client: Client, job: str, as_json: bool) -> JobDocument:
    """The job once it is over; in between, what happens is told on stderr. Ctrl-C leaves the job as it is."""
    try:
        for event in client.events(job):
            if not as_json:
                typer.echo(_told(event), err=True)
    except KeyboardInterrupt:
        typer.echo(f"the job goes on at the service; to watch it again: autoprune jobs watch {job}", err=True)
        raise typer.Exit(130) from None
    return client.job(job)


def _end_as(job: JobDocument) -> None:
    """Let a script that waits for a job see by the exit code whether it was done."""
    if job.state != "done":
        raise typer.Exit(1)


def _told(event: Event) -> str:
    data = event.data
    if event.kind == "progress":
        amount = f" {data['done']:g} of {data['total']:g}" if data["total"] else ""
        note = f", {data['note']}" if data["note"] else ""
        return f"{data['doing']}:{amount}{note}"
    return ", ".join(str(value) for value in data.values())


def _standing(job: JobDocument) -> str:
    if job.state != "running":
        return job.error or ""
    share = f" {job.done / job.total:.0%}" if job.total else ""
    left = f", {job.seconds_left:.0f} s left" if job.seconds_left is not None else ""
    return f"{job.stage}: {job.doing}{share}{left}"


def _show(job: JobDocument, as_json: bool) -> None:
    if as_json:
        show_json(job.model_dump(mode="json"))
    else:
        show_values(
            {"job": job.id, "name": job.name, "state": job.state, "stage": _standing(job), "device": job.device}
        )
