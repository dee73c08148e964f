"""autoprune compare: which agent finds the better policies, with equal evaluations, and whether that is chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoprune.cli.flags import spec_command
from autoprune.cli.output import show_findings, show_json
from autoprune.cli.progress import listening

if TYPE_CHECKING:
    from autoprune.deploy.comparison.document import Comparison
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
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="K", min=1, help="Searches of each agent, each on images of its own.")
    ] = 8,
    refit: Annotated[
        bool, typer.Option("--refit", help="Also refit every search's best policy and score it on the selection split.")
    ] = False,
) -> None:
    """Compare agents with equal evaluations over several seeds; the same command again resumes."""
    from autoprune import pipeline
    from autoprune.deploy.run_folder import RunFolder

    names = [name.strip() for name in agents.split(",") if name.strip()]
    with listening() as progress:
        found = pipeline.compare(spec, names, seeds, out, progress, refit=refit)
    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
    else:
        _show(found, RunFolder(out).comparison_page)


def _show(found: Comparison, page: Path) -> None:
    """Print the outcome: one line, the table, what can be concluded, and where the page lies."""
    from autoprune.deploy.comparison.words import columns, headline, rows

    show_findings(headline(found), columns(found), rows(found), found.verdict, page)
