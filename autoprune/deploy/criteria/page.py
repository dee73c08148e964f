"""criteria.html: the comparison for people, one file that needs nothing else."""

from __future__ import annotations

from autoprune.criteria.criterion import criteria
from autoprune.deploy.criteria.document import CriteriaComparison
from autoprune.deploy.criteria.pictures import stages
from autoprune.deploy.criteria.words import columns, conclusions, headline, rows
from autoprune.deploy.page.template import template
from autoprune.deploy.words.amounts import counted, score_text


def render(found: CriteriaComparison, spec_toml: str = "") -> str:
    """criteria.html: self-contained, no script, the same text for the same arguments."""
    seeds = counted(len({row.seed for row in found.rows}), "seed")
    compared = {row.criterion for row in found.rows}
    return template("criteria/criteria.html").render(
        found=found,
        headline=headline(found),
        setting=", ".join([*map(str, (*found.budgets, *found.also)), seeds]),
        conclusions=conclusions(found),
        columns=columns(found),
        rows=rows(found),
        picture=stages(found) if found.lines else "",
        dense=score_text(found.dense.test, found.metric),
        methods=[(name, one.summary, one.source) for name, one in criteria().items() if name in compared],
        spec_toml=spec_toml,
    )
