"""autoprune recipes: when and how channels can be pruned, and where that comes from."""

from __future__ import annotations

import typer

from autoprune.cli.flags import Json
from autoprune.cli.output import show_json, show_rows

app = typer.Typer(help="When and how to prune: the recipes to choose from.", rich_markup_mode="rich")


@app.callback()
def _group() -> None:
    """Keeps `list` a command of its own."""


@app.command("list")
def list_recipes(as_json: Json = False) -> None:
    """Every recipe: its name, when it prunes, what it does, and its paper."""
    from autoprune.training.recipes import RECIPES

    told = [(recipe.name, recipe.kind, recipe.summary, recipe.source) for recipe in RECIPES.values()]
    columns = ("recipe", "kind", "summary", "source")
    if as_json:
        show_json([dict(zip(columns, one, strict=True)) for one in told])
    else:
        show_rows(columns, told)
