"""compare.html: a comparison for people, one file that needs nothing else."""

from __future__ import annotations

from autoprune.deploy.comparison.document import Comparison
from autoprune.deploy.comparison.pictures import curves, differences, selection_differences
from autoprune.deploy.comparison.words import columns, headline, rows
from autoprune.deploy.page.template import Picture, template
from autoprune.deploy.words.amounts import counted


def render(found: Comparison, spec_toml: str = "") -> str:
    """compare.html: self-contained, no script, the same text for the same arguments."""
    drawn = [
        Picture(differences(found), "Best reward of every agent against random's: a dot a seed, mean and interval.")
    ]
    if found.agents[0].selection:
        caption = "The same of the refitted networks, scored on the selection split."
        drawn.append(Picture(selection_differences(found), caption))
    return template("comparison/compare.html").render(
        found=found,
        headline=headline(found),
        setting=", ".join([*map(str, (*found.budgets, *found.also)), counted(len(found.seeds), "seed")]),
        columns=columns(found),
        rows=rows(found),
        curves=curves(found),
        drawn=drawn,
        spec_toml=spec_toml,
    )
