"""sensitivity.html: the analysis for people, one file that needs nothing else."""

from __future__ import annotations

from autoprune.deploy.page.template import template
from autoprune.deploy.sensitivity.document import Sensitivity
from autoprune.deploy.sensitivity.pictures import equal, panels
from autoprune.deploy.sensitivity.words import columns, conclusions, headline, rows, share
from autoprune.deploy.words.amounts import score_text


def render(found: Sensitivity, spec_toml: str = "") -> str:
    """sensitivity.html: self-contained, no script, the same text for the same arguments."""
    return template("sensitivity/sensitivity.html").render(
        found=found,
        headline=headline(found),
        conclusions=conclusions(found),
        share=share(found),
        dense=score_text(found.dense_score, found.metric),
        columns=columns(found),
        rows=rows(found),
        panels=panels(found),
        equal=equal(found),
        spec_toml=spec_toml,
    )
