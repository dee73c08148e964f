"""autoprune compare: which agent, which criterion or which recipe ends with the better network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoprune.cli.flags import spec_command
from autoprune.cli.output import show_findings, show_json
from autoprune.cli.progress import listening
from autoprune.errors import BadInput

if TYPE_CHECKING:
    from autoprune.deploy.comparison.document import Comparison
    from autoprune.deploy.criteria.document import CriteriaComparison
    from autoprune.deploy.recipes.document import RecipesComparison
    from autoprune.spec import RunSpec


_AGENTS = "knapsack,evolution"
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
        str | None,
        typer.Option(
            "--agents",
            metavar="A,B,C+D",
            help="Agents to compare (default knapsack,evolution), C+D being C warm-started by D; uniform and random "
            "always take part.",
        ),
    ] = None,
    criteria: Annotated[
        str | None,
        typer.Option(
            "--criteria",
            metavar="all|A,B",
            help="Compare criteria and not agents: all, or names from `autoprune criteria list`.",
        ),
    ] = None,
    recipes: Annotated[
        str | None,
        typer.Option(
            "--recipes",
            metavar="all|A,B",
            help="Compare recipes and not agents: all, or names from `autoprune recipes list`.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            metavar="K",
            min=1,
            help="Searches of each agent (default 8), or networks of each criterion (1), each on images of its own.",
        ),
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Also refit every search's best policy and score it on the selection split.")
    ] = False,
) -> None:
    """Compare agents with equal evaluations, criteria with equal widths, or recipes at equal budgets.

    The same command again resumes.
    """
    from autoprune import pipeline
    from autoprune.deploy.run_folder import RunFolder

    _require_one_of(agents, criteria, recipes)
    _require_searches(refit, criteria or recipes)
    folder = RunFolder(out)
    if criteria is not None:
        with listening() as progress:
            chosen = pipeline.compare_criteria(spec, _names(criteria), seeds or 1, out, progress)
        _answer_criteria(chosen, as_json, folder.criteria_page)
    elif recipes is not None:
        _require_no_seeds(seeds)
        with listening() as progress:
            ended = pipeline.compare_recipes(spec, _names(recipes), out, progress)
        _answer_recipes(ended, as_json, folder.recipes_page)
    else:
        with listening() as progress:
            found = pipeline.compare(
                spec, _names(_AGENTS if agents is None else agents), seeds or 8, out, progress, refit=refit
            )
        _answer_agents(found, as_json, folder.comparison_page)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _require_one_of(agents: str | None, criteria: str | None, recipes: str | None) -> None:
    given = {"--agents": agents, "--criteria": criteria, "--recipes": recipes}
    named = [flag for flag, names in given.items() if names is not None]
    if len(named) > 1:
        raise BadInput(f"one comparison is of one kind, got {' and '.join(named)}; leave out all but one")


def _require_searches(refit: bool, others: str | None) -> None:
    if refit and others is not None:
        raise BadInput("--refit is for the policies that agents find; leave it out, or compare --agents")


def _require_no_seeds(seeds: int | None) -> None:
    if seeds is not None:
        raise BadInput(f"every recipe trains once, got --seeds {seeds}; give --seed N, and compare again with another")


def _answer_agents(found: Comparison, as_json: bool, page: Path) -> None:
    """Print the comparison of agents, as one document or for people."""
    from autoprune.deploy.comparison.words import columns, headline, rows

    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
    else:
        show_findings(headline(found), columns(found), rows(found), found.verdict, page)


def _answer_criteria(found: CriteriaComparison, as_json: bool, page: Path) -> None:
    """Print the comparison of criteria, as one document or for people."""
    from autoprune.deploy.criteria.words import columns, conclusions, headline, rows

    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
    else:
        show_findings(headline(found), columns(found), rows(found), conclusions(found), page)


def _answer_recipes(found: RecipesComparison, as_json: bool, page: Path) -> None:
    """Print the comparison of recipes, as one document or for people."""
    from autoprune.deploy.recipes.words import columns, conclusions, headline, rows

    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
    else:
        show_findings(headline(found), columns(found), rows(found), conclusions(found), page)
