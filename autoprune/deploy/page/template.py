"""The pages' templates: one environment for all of them, and one look, which `base.html.jinja` holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


@cache
def template(name: str) -> Template:
    """The template `name` in a room beside this one, such as `report/report.html`."""
    loader = PackageLoader("autoprune.deploy", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(f"{name}.jinja")


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing and what to see in it."""

    svg: str
    caption: str
