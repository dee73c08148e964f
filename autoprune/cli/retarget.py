"""autoprune retarget: another budget, or another device, from the trials of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoprune.cli.flags import Json
from autoprune.cli.output import show_goals, show_json, show_networks
from autoprune.cli.progress import listening
from autoprune.cli.search_screen import show_choice

if TYPE_CHECKING:
    from autoprune.pipeline import RetargetResult


def retarget(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a search or a run.")],
    budget: Annotated[
        list[str] | None, typer.Option("--budget", help="latency=0.5x, macs=60M, ...; may be repeated.")
    ] = None,
    floor: Annotated[
        str | None, typer.Option("--floor", help="Least score that is kept: dense-0.01 (below the dense one), or 0.91.")
    ] = None,
    minimise: Annotated[str | None, typer.Option("--minimise", help="The cost to make least under the floor.")] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="Cost all trials anew with this table, of any device.")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", help="Another device's TABLE:latency=0.6x to keep as well; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to write (default: RUN and what was asked).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Choose another policy from the trials of a search, for other budgets or another device; searches nothing.

    Its network is exported and measured beside the dense one where the costs are this device's.
    """
    from autoprune import pipeline

    place = out or run.resolve().with_name("-".join([run.resolve().name, *_words(budget, floor, table)]))
    with listening() as progress:
        result = pipeline.retarget(
            run,
            place,
            progress,
            budgets=budget or (),
            floor=floor,
            minimise=minimise,
            also=also or (),
            table=table,
        )
    if as_json:
        show_json(result.model_dump(mode="json"))
    else:
        _show(result)


def _show(result: RetargetResult) -> None:
    """Print the choice, whether it keeps what was asked, and the costs before and after."""
    from autoprune.deploy.document.goals import BudgetCheck
    from autoprune.deploy.words.costs import cost_rows
    from autoprune.deploy.words.goals import budget_row, floor_and_other_rows

    device = result.predicted_for or ""
    checks = [BudgetCheck.of(budget, result.result, result.dense) for budget in result.budgets]
    show_choice(result)
    show_goals([budget_row(check, device) for check in checks])
    show_goals(floor_and_other_rows(result.floor, result.metric, result.also))
    show_networks(result.networks, cost_rows(list(result.networks.values()), result.also, device))


def _words(budgets: list[str] | None, floor: str | None, table: Path | None) -> list[str]:
    """What was asked for, fit for a folder's name."""
    asked = [*(budgets or []), *([floor] if floor else []), *([table.stem] if table else [])]
    return [re.sub(r"[^A-Za-z0-9.]+", "", word) for word in asked] or ["again"]
