"""front.html: a front for people, one file that needs nothing else."""

from __future__ import annotations

from autoprune.deploy.front.document import FrontFile
from autoprune.deploy.front.pictures import front_picture
from autoprune.deploy.front.words import columns, headline, rows
from autoprune.deploy.page.template import template


def render_front(found: FrontFile, retarget: str, spec_toml: str = "") -> str:
    """front.html: self-contained, no script, the same text for the same arguments.

    `retarget` is the command that picks a network from it.
    """
    return template("front/front.html").render(
        found=found,
        headline=headline(found),
        picture=front_picture(found),
        columns=columns(found),
        rows=rows(found),
        retarget=retarget,
        spec_toml=spec_toml,
    )
