"""The pages' templates: one environment for all of them, and one look, which `base.html.jinja` holds."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


@cache
def template(name: str) -> Template:
    """The template of the page `name`, such as `report.html`."""
    loader = PackageLoader("autoprune.deploy", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(f"{name}.jinja")
