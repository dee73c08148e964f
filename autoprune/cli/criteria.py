"""autoprune criteria: which ways there are to say which channels matter."""

from __future__ import annotations

import typer

from autoprune.cli.flags import Json
from autoprune.cli.output import show_json, show_rows

app = typer.Typer(help="The criteria that rank channels.", rich_markup_mode="rich")


@app.callback()
def _criteria() -> None:
    """Keeps `list` a command of its own, though it is the only one."""


@app.command("list")
def list_criteria(as_json: Json = False) -> None:
    """Every criterion: its name, what it has to know, what it is, and the paper it is from."""
    from autoprune.criteria.criterion import criteria

    found = criteria().values()
    if as_json:
        fields = ("name", "family", "summary", "source")
        show_json([{**{f: getattr(one, f) for f in fields}, "needs": list(one.needs.words)} for one in found])
    else:
        rows = [(one.name, one.family, ", ".join(one.needs.words), one.summary, one.source) for one in found]
        show_rows(("criterion", "family", "needs", "what it is", "source"), rows)
