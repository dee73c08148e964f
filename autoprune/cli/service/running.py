"""autoprune serve, worker, token: the commands that run the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from autoprune.cli.flags import Json
from autoprune.cli.output import show_json, show_rows, show_values
from autoprune.errors import BadInput

if TYPE_CHECKING:
    from autoprune.service.settings import Settings

Config = Annotated[Path | None, typer.Option("--config", metavar="FILE.toml", help="The server's settings.")]
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Folder of the database, uploads and runs.")]
Database = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="postgresql://..., to share the work among machines.")
]

token_app = typer.Typer(help="Tokens of the service, made beside its data.", rich_markup_mode="rich")


@contextmanager
def service_extra() -> Iterator[None]:
    """Says what to install where the service's libraries are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("autoprune"):
            raise
        raise BadInput(
            f"the service needs {error.name}, which is not installed: pip install autoprune[service]"
        ) from None


def _settings(config: Path | None, **flags: object) -> Settings:
    from autoprune.service.settings import Settings

    return Settings.load(config, **flags)


def serve(
    config: Config = None,
    data: Data = None,
    database: Database = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on (default: this machine's own).")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port (default: 8080).")] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=0, help="Worker processes to start.")] = None,
) -> None:
    """Serve jobs over HTTP, and start the workers that carry them out."""
    with service_extra():
        from autoprune.service.serving import serve as run
        from autoprune.service.serving import worker_command

        settings = _settings(config, data=data, database=database, host=host, port=port, workers=workers)
        run(settings, worker_command(settings, config))


def worker(
    config: Config = None,
    data: Data = None,
    database: Database = None,
    device: Annotated[
        list[str] | None, typer.Option("--device", help="Serve this device only; may be repeated.")
    ] = None,
    worker_id: Annotated[str | None, typer.Option("--id", hidden=True)] = None,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
) -> None:
    """Carry out jobs of a service, on this machine; any number of workers may share its database and data folder."""
    with service_extra():
        from autoprune.service.work.worker import work

        work(_settings(config, data=data, database=database), device or (), worker_id, parent)


@token_app.command("create")
def create_token(
    scope: Annotated[str, typer.Option("--scope", help="read, submit (and read), or admin (everything).")],
    name: Annotated[str, typer.Option("--name", help="Whose it is, as jobs and the audit log show it.")] = "token",
    config: Config = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a token. It is shown this once: the service keeps only a hash."""
    from autoprune.client.documents import Scope

    if scope not in get_args(Scope):
        raise BadInput(f"--scope is one of {', '.join(get_args(Scope))}, got {scope!r}")
    with service_extra():
        from autoprune.service.records import tokens
        from autoprune.service.records.database import open_database

        settings = _settings(config, data=data, database=database)
        settings.data.mkdir(parents=True, exist_ok=True)
        made = tokens.create(open_database(settings.database_url), name, scope)  # type: ignore[arg-type]
    if as_json:
        show_json(made.model_dump(mode="json"))
    else:
        show_values({"token": made.token, "id": made.id, "name": made.name, "scope": made.scope})


@token_app.command("list")
def list_tokens(config: Config = None, data: Data = None, database: Database = None, as_json: Json = False) -> None:
    """All tokens, without what would let one use them."""
    with service_extra():
        from autoprune.service.records import tokens
        from autoprune.service.records.database import open_database

        found = tokens.every(open_database(_settings(config, data=data, database=database).database_url))
    if as_json:
        show_json([token.model_dump(mode="json", exclude={"token"}) for token in found])
    else:
        show_rows(("id", "name", "scope"), [(token.id, token.name, token.scope) for token in found])


@token_app.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(metavar="ID", help="As `token list` shows it.")],
    config: Config = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Let a token open nothing any more."""
    with service_extra():
        from autoprune.service.records import tokens
        from autoprune.service.records.database import open_database

        engine = open_database(_settings(config, data=data, database=database).database_url)
        if not tokens.revoke(engine, token):
            raise BadInput(f"there is no token {token}; autoprune token list shows them")
