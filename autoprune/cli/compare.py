"""autoprune compare: which agent finds the better policies, or which criterion chooses the better channels."""

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
            help="Agents to compare, C+D being C warm-started by D; uniform and random always take part "
            "(default: knapsack,evolution).",
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
    """Compare agents with equal evaluations, or criteria with equal widths; the same command again resumes."""
    from autoprune import pipeline
    from autoprune.deploy.run_folder import RunFolder

    if criteria is not None and (agents is not None or refit):
        raise BadInput("--criteria compares criteria, which are always refitted; leave --agents and --refit out")
    if criteria is not None:
        with listening() as progress:
            compared = pipeline.compare_criteria(spec, _names(criteria), seeds or 1, out, progress)
        _answer_criteria(compared, as_json, RunFolder(out).criteria_page)
        return
    with listening() as progress:
        found = pipeline.compare(
            spec, _names(_AGENTS if agents is None else agents), seeds or 8, out, progress, refit=refit
        )
    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
    else:
        _show(found, RunFolder(out).comparison_page)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _answer_criteria(found: CriteriaComparison, as_json: bool, page: Path) -> None:
    """Print the comparison of criteria, as one document or for people."""
    from autoprune.deploy.criteria.words import columns, conclusions, headline, rows

    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
    else:
        show_findings(headline(found), columns(found), rows(found), conclusions(found), page)


def _show(found: Comparison, page: Path) -> None:
    """Print the outcome: one line, the table, what can be concluded, and where the page lies."""
    from autoprune.deploy.comparison.words import columns, headline, rows

    show_findings(headline(found), columns(found), rows(found), found.verdict, page)
