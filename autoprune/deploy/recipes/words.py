"""A comparison of recipes in words and rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autoprune.deploy.document.split_scores import SplitScores
from autoprune.deploy.recipes.document import PrunedLine, RecipesComparison, shared
from autoprune.deploy.words.amounts import counted, is_share, score_text
from autoprune.deploy.words.cells import Cell
from autoprune.deploy.words.chance import on_chance, others_told

_NAMED: Final = 3


def headline(found: RecipesComparison) -> str:
    """The outcome in one line."""
    if not found.lines:
        return "no recipe ended with a network"
    row, best = found.lines[0]
    score, dense = (score_text(scores.test, found.metric) for scores in (best.after, found.dense))
    told = [line.after.selection for _, line in found.lines]
    near = others_told(told, found.selection_images) if is_share(found.metric) else ""
    ended = counted(len(found.lines), "recipe")
    return f"{row.recipe} ends best of {ended}: {score} of the dense network's {dense}{near}"


def conclusions(found: RecipesComparison) -> tuple[str, ...]:
    """Who is best of each kind, who before any recovery, what sparse weights bring, and what chance does alone."""
    return (*_best_of_each_kind(found), *_before(found), *_sparse(found), *_failed(found), *_on_chance(found))


def _best_of_each_kind(found: RecipesComparison) -> Iterator[str]:
    for kind in dict.fromkeys(row.kind for row, _ in found.lines):
        own = [(row, line) for row, line in found.lines if row.kind == kind]
        told = ", ".join(f"{row.recipe} {_score(found, line.after)}" for row, line in own[:_NAMED])
        yield f"{kind.capitalize()}: {told}."


def _before(found: RecipesComparison) -> Iterator[str]:
    if found.lines:
        ranked = sorted(found.lines, key=lambda line: -line[1].before.selection)
        told = ", ".join(f"{row.recipe} {_score(found, line.before)}" for row, line in ranked[:_NAMED])
        yield f"Before any recovery: {told}."


def _sparse(found: RecipesComparison) -> Iterator[str]:
    for row, line in found.lines:
        if line.sparse is not None and (share := shared(line.sparse.latency_ms, line.dense_latency_ms)) is not None:
            yield (
                f"{row.recipe} had {100 * line.sparse.sparsity:.0f}% of all weights at zero and "
                f"{_score(found, line.sparse.scores)} before it cut channels, in {share:.2f}x the dense latency: "
                "dense kernels multiply by zero as by any number."
            )


def _failed(found: RecipesComparison) -> Iterator[str]:
    for row in found.rows:
        if row.failed is not None:
            yield f"{row.recipe} did not end: {row.failed}."


def _on_chance(found: RecipesComparison) -> Iterator[str]:
    if is_share(found.metric) and found.lines:
        yield on_chance(found.lines[0][1].after.test, found.test_images, "each recipe ran once")


def columns(found: RecipesComparison) -> tuple[Cell, ...]:
    """Headings of the table's columns, the recipe's left out."""
    passes = f"{found.epochs} + {found.recovery} epochs, {found.scratch} from random weights"
    return (
        Cell("before recovery", ("test (selection)",)),
        Cell("after", ("test (selection)",)),
        Cell("MACs"),
        Cell("parameters"),
        Cell("latency", ("measured",)),
        Cell("time", (passes,)),
    )


def rows(found: RecipesComparison) -> list[tuple[Cell, tuple[Cell, ...]]]:
    """The table, best recipe first: its name and its cells."""
    return [(Cell(row.recipe, (row.kind,)), _cells(found, line)) for row, line in found.lines]


def _cells(found: RecipesComparison, line: PrunedLine) -> tuple[Cell, ...]:
    share = line.latency_share
    return (
        _scores_cell(found, line.before),
        _scores_cell(found, line.after),
        Cell(f"{line.macs / found.dense_macs:.2f}x"),
        Cell(f"{line.params / found.dense_params:.2f}x"),
        Cell("–" if share is None else f"{share:.2f}x"),
        Cell(f"{line.pruning_seconds:.0f} + {line.recovery_seconds:.0f} s"),
    )


def _scores_cell(found: RecipesComparison, scores: SplitScores) -> Cell:
    return Cell(f"{_score(found, scores)} ({score_text(scores.selection, found.metric)})")


def _score(found: RecipesComparison, scores: SplitScores) -> str:
    return score_text(scores.test, found.metric)
