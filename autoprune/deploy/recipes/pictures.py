"""The comparison of recipes drawn: where each network stands before and after recovery."""

from __future__ import annotations

from autoprune.deploy.page.dots import Dots, rows_of_dots
from autoprune.deploy.page.drawing import KEPT, TRIAL
from autoprune.deploy.recipes.document import RecipesComparison


def recoveries(found: RecipesComparison) -> str:
    """A row a recipe, best first: its test score before and after recovery."""
    dots = [
        Dots("before recovery", TRIAL, [line.before.test for _, line in found.lines]),
        Dots("after", KEPT, [line.after.test for _, line in found.lines]),
    ]
    told = f"Scores of {len(found.lines)} recipes before and after recovery"
    names = [row.recipe for row, _ in found.lines]
    return rows_of_dots("recoveries", told, names, dots, found.dense.test, found.metric)
