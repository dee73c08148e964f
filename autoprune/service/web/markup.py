"""The pages' templates: HTML from values, everything in it escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from autoprune.cost import Metric
from autoprune.deploy.words.amounts import amount_text, score_text
from autoprune.service.web import places
from autoprune.service.web.numbers import history
from autoprune.tables.words import shape_text


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autoprune.service.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(places=places, words=history)
    environment.filters.update(amount=amount_text, score=score_text, shape=shape_text, bytes=bytes_text, metric=Metric)
    return environment


def render(name: str, /, **values: Any) -> str:
    """The template `name`, filled in."""
    return _environment().get_template(f"{name}.html.jinja").render(**values)


def bytes_text(count: int) -> str:
    """A file's size: 12 B, 3.4 kB, 5.6 MB."""
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def style() -> str:
    """The style sheet of all pages."""
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8")
