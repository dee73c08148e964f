"""A comparison of criteria in words and rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from autoprune.deploy.criteria.document import CriteriaComparison, CriterionLine
from autoprune.deploy.words.amounts import counted, is_share, score_text
from autoprune.deploy.words.cells import Cell
from autoprune.deploy.words.chance import on_chance, others_told

BASELINE: Final = "random"
STAGE_WORDS: Final = {
    "sliced": "sliced alone",
    "refitted": "refitted",
    "reconstructed": "reconstructed",
    "finetuned": "fine-tuned",
}
_NAMED: Final = 3


def headline(found: CriteriaComparison) -> str:
    """The outcome in one line."""
    if not found.lines:
        return "no criterion has an answer for this network"
    best, stage = found.lines[0], found.stages[-1]
    score = f"{STAGE_WORDS[stage]}: {_score(found, best, stage, 'test')}"
    told = [line.mean(stage, "selection") or 0.0 for line in found.lines]
    near = others_told(told, found.selection_images * len(best.rows)) if is_share(found.metric) else ""
    return f"{best.criterion} comes first of {len(found.lines)} criteria, {score}{near}"


def conclusions(found: CriteriaComparison) -> tuple[str, ...]:
    """What the stages did to the differences, a sentence each; then who has no answer, and what chance does alone."""
    told = [_on_stage(found, stage) for stage in found.stages]
    told += [f"{name} has no answer: {why}." for name, why in found.unanswered.items()]
    return (*told, *_on_chance(found))


def _on_stage(found: CriteriaComparison, stage: str) -> str:
    ranked = sorted(found.lines, key=lambda line: -(line.mean(stage, "selection") or 0.0))
    few = ", ".join(f"{line.criterion} {_score(found, line, stage, 'test')}" for line in ranked[:_NAMED])
    worst = ranked[-1]
    spread = f"the worst is {worst.criterion} with {_score(found, worst, stage, 'test')}"
    place = next((i for i, line in enumerate(ranked, 1) if line.criterion == BASELINE), None)
    chance = "" if place is None else f"; {BASELINE} is number {place} of {len(ranked)}"
    return f"{STAGE_WORDS[stage].capitalize()}, best on the selection split: {few}; {spread}{chance}."


def _on_chance(found: CriteriaComparison) -> Iterator[str]:
    if is_share(found.metric) and found.lines:
        best = found.lines[0].mean(found.stages[-1], "test") or 0.0
        seeds = counted(len({row.seed for row in found.rows}), "seed")
        yield on_chance(best, found.test_images, f"was measured with {seeds}")


def columns(found: CriteriaComparison) -> tuple[Cell, ...]:
    """Headings of the table's columns, the criterion's left out."""
    stages = (Cell(STAGE_WORDS[stage], ("test (selection)",)) for stage in found.stages)
    return (*stages, Cell("ranking", ("seconds",)))


def rows(found: CriteriaComparison) -> list[tuple[Cell, tuple[Cell, ...]]]:
    """The table, best criterion first: its name and its cells."""
    return [(Cell(line.criterion), _cells(found, line)) for line in found.lines]


def _cells(found: CriteriaComparison, line: CriterionLine) -> tuple[Cell, ...]:
    scores = (
        f"{_score(found, line, stage, 'test')} ({_score(found, line, stage, 'selection')})" for stage in found.stages
    )
    seconds = line.ranking_seconds
    return (*map(Cell, scores), Cell("–" if seconds is None else f"{seconds:.2f}"))


def _score(found: CriteriaComparison, line: CriterionLine, stage: str, split: str) -> str:
    score = line.mean(stage, split)
    return "–" if score is None else score_text(score, found.metric)
