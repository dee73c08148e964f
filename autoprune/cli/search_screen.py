"""What a search has found, on the screen: the policy, whether it keeps what was asked, and the front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autoprune.cli.output import show_goals, show_json, show_rows, show_values

if TYPE_CHECKING:
    from pathlib import Path

    from autoprune.pipeline import SearchResult

_IN_WORDS = (
    "floor",
    "also",
    "front",
    "budgets",
    "dense",
    "pruned",
    "finetuned",
)  # what has lines or a table of its own


def show_search(result: SearchResult, as_json: bool) -> None:
    """Print a search's outcome; in JSON the front is there with all its points."""
    from autoprune.deploy.words.goals import floor_and_other_rows

    if as_json:
        show_json({**result.model_dump(mode="json"), "front": _front_document(result.front)})
        return
    show_choice(result)
    show_goals(floor_and_other_rows(result.floor, result.metric, result.also))
    if result.front is not None:
        show_front(result.front)


def show_choice(result: SearchResult) -> None:
    """Print the numbers of the chosen policy."""
    document = result.model_dump(mode="json")
    show_values({key: value for key, value in document.items() if key not in _IN_WORDS})


def show_front(path: Path) -> None:
    """Print the networks of a front."""
    from autoprune.deploy.front.document import FrontFile
    from autoprune.deploy.front.words import columns, headline, rows

    found = FrontFile.load(path)
    print()
    print(headline(found))
    show_rows(columns(found), [[" ".join((cell.text, *cell.notes)) for cell in row] for row in rows(found)])
    show_values({"front": str(path), "page": str(path.with_suffix(".html"))})


def _front_document(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    from autoprune.deploy.front.document import FrontFile

    return {"path": str(path), **FrontFile.load(path).model_dump(mode="json", by_alias=True)}
