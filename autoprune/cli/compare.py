"""autoprune compare: which agent finds the better policies, or which recipe ends with the better network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoprune.cli.flags import spec_command
from autoprune.cli.output import show_findings, show_json
from autoprune.cli.progress import listening

if TYPE_CHECKING:
    from autoprune.deploy.comparison.document import Comparison
    from autoprune.deploy.recipes.document import RecipesComparison
    from autoprune.spec import RunSpec


_NOT_HERE = (
    "--agent",
    "--warm-start",
    "--floor",
    "--minimise",
    "--pareto",
    "--levels",
    "--finetune-epochs",
)


@spec_command(folder="{name}-compare", without=_NOT_HERE)
def compare(
    spec: RunSpec,
    out: Path,
    as_json: bool,
    agents: Annotated[
        str,
        typer.Option(
            "--agents",
            metavar="A,B,C+D",
            help="Agents to compare, C+D being C warm-started by D; uniform and random always take part.",
        ),
    ] = "knapsack,evolution",
    recipes: Annotated[
        str | None,
        typer.Option(
            "--recipes",
            metavar="all|A,B",
            help="Compare recipes and not agents: all, or names from `autoprune recipes list`.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="K", min=1, help="Searches of each agent, each on images of its own.")
    ] = 8,
    refit: Annotated[
        bool, typer.Option("--refit", help="Also refit every search's best policy and score it on the selection split.")
    ] = False,
) -> None:
    """Compare agents with equal evaluations, or recipes at equal budgets; the same command again resumes."""
    from autoprune import pipeline
    from autoprune.deploy.run_folder import RunFolder

    if recipes is not None:
        with listening() as progress:
            ended = pipeline.compare_recipes(spec, _names(recipes), out, progress)
        _answer_recipes(ended, as_json, RunFolder(out).recipes_page)
        return
    with listening() as progress:
        found = pipeline.compare(spec, _names(agents), seeds, out, progress, refit=refit)
    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
    else:
        _show(found, RunFolder(out).comparison_page)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _answer_recipes(found: RecipesComparison, as_json: bool, page: Path) -> None:
    """Print the comparison of recipes, as one document or for people."""
    from autoprune.deploy.recipes.words import columns, conclusions, headline, rows

    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
    else:
        show_findings(headline(found), columns(found), rows(found), conclusions(found), page)


def _show(found: Comparison, page: Path) -> None:
    """Print the outcome: one line, the table, what can be concluded, and where the page lies."""
    from autoprune.deploy.comparison.words import columns, headline, rows

    show_findings(headline(found), columns(found), rows(found), found.verdict, page)
