"""autoprune sensitivity: what cutting each channel group alone does to a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoprune.cli.flags import spec_command
from autoprune.cli.output import show_findings, show_json
from autoprune.cli.progress import listening

if TYPE_CHECKING:
    from autoprune.deploy.sensitivity.document import Sensitivity
    from autoprune.spec import RunSpec

# What is asked of a network as a whole means nothing to one group; a budget only says which costs matter.
_NOT_HERE = (
    "--agent",
    "--warm-start",
    "--trials",
    "--floor",
    "--minimise",
    "--pareto",
    "--levels",
    "--finetune-epochs",
)
_NO_LIMIT = {"search": {"budgets": ["macs=1x"]}}


@spec_command(folder="{name}-sensitivity", without=_NOT_HERE, beneath=_NO_LIMIT)
def sensitivity(
    spec: RunSpec,
    out: Path,
    as_json: bool,
    widths: Annotated[int, typer.Option("--widths", metavar="N", min=1, help="Widths that each group is cut to.")] = 6,
) -> None:
    """Cut each channel group alone and show what that costs; the same command again resumes.

    No budget is needed. One on latency or energy makes widths and savings those of this device's table.
    """
    from autoprune import pipeline
    from autoprune.deploy.run_folder import RunFolder

    with listening() as progress:
        found = pipeline.sensitivity(spec, widths, out, progress)
    if as_json:
        show_json(found.model_dump(mode="json", by_alias=True))
    else:
        _show(found, RunFolder(out).sensitivity_page)


def _show(found: Sensitivity, page: Path) -> None:
    """Print the outcome: one line, the table, which groups are the most and least sensitive, and the page."""
    from autoprune.deploy.sensitivity.words import columns, conclusions, headline, rows

    show_findings(headline(found), columns(found), rows(found), conclusions(found), page)
