"""The comparison of criteria drawn: where each stands before and after recovery."""

from __future__ import annotations

from typing import Final

from autoprune.deploy.criteria.document import CriteriaComparison
from autoprune.deploy.criteria.words import STAGE_WORDS
from autoprune.deploy.page.dots import Dots, rows_of_dots
from autoprune.deploy.page.drawing import CHOSEN, INK, KEPT, TRIAL

_COLOURS: Final = {"sliced": TRIAL, "refitted": KEPT, "reconstructed": CHOSEN, "finetuned": INK}


def stages(found: CriteriaComparison) -> str:
    """A row a criterion, best first, and in it the test score after every stage."""
    dots = [
        Dots(STAGE_WORDS[stage], _COLOURS[stage], [line.mean(stage, "test") for line in found.lines])
        for stage in found.stages
    ]
    told = f"Scores of {len(found.lines)} criteria before and after recovery"
    names = [line.criterion for line in found.lines]
    return rows_of_dots("stages", told, names, dots, found.dense.test, found.metric)
