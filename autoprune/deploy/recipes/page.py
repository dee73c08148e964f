"""recipes.html: the comparison for people, one file that needs nothing else."""

from __future__ import annotations

from autoprune.deploy.page.template import template
from autoprune.deploy.recipes.document import RecipesComparison
from autoprune.deploy.recipes.pictures import recoveries
from autoprune.deploy.recipes.words import columns, conclusions, headline, rows
from autoprune.deploy.words.amounts import score_text


def render(found: RecipesComparison, spec_toml: str = "") -> str:
    """recipes.html: self-contained, no script, the same text for the same arguments."""
    return template("recipes/recipes.html").render(
        found=found,
        headline=headline(found),
        setting=", ".join(map(str, (*found.budgets, *found.also))),
        conclusions=conclusions(found),
        columns=columns(found),
        rows=rows(found),
        picture=recoveries(found) if found.lines else "",
        dense=score_text(found.dense.test, found.metric),
        methods=[(row.recipe, row.summary, row.source) for row in found.rows],
        spec_toml=spec_toml,
    )
