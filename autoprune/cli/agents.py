"""autoprune agents: which search agents there are, and what each is set to."""

from __future__ import annotations

from typing import Annotated

import typer

from autoprune.cli.flags import Json
from autoprune.cli.output import show_json, show_rows, show_values

app = typer.Typer(help="The search agents to choose from.", rich_markup_mode="rich")


@app.command("list")
def list_agents(as_json: Json = False) -> None:
    """Every agent: its name, its searcher, and what it does."""
    from autoprune.searchers.agents import find_agents

    found = find_agents().values()
    if as_json:
        show_json([agent.model_dump(mode="json") for agent in found])
    else:
        show_rows(("agent", "searcher", "what it does"), [(a.name, a.searcher, a.summary) for a in found])


@app.command("show")
def show_agent(
    agent: Annotated[str, typer.Argument(help="A name from `autoprune agents list`, or a TOML file.")],
    as_json: Json = False,
) -> None:
    """One agent with all its settings and the paper they come from."""
    from autoprune.searchers.agents import load_agent

    found = load_agent(agent).model_dump(mode="json")
    if as_json:
        show_json(found)
    else:
        settings = found.pop("settings")
        show_values({**found, **{f"settings.{key}": value for key, value in settings.items()}})
