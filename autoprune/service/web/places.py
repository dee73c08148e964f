"""Where the pages lie."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

WEB: Final = "/web"
SIGN_IN: Final = "/login"
SIGN_OUT: Final = "/logout"
STYLE: Final = "/style.css"
JOBS: Final = f"{WEB}/jobs"
COMPARE: Final = f"{WEB}/compare"
TABLES: Final = f"{WEB}/tables"
NEW: Final = f"{WEB}/new"


# A browser that may not tell where a form is from calls its origin "null", even where it stays on this site.
FORM_POLICY: Final = "same-origin"


def job_page(job: str) -> str:
    """The page of one job."""
    return f"{JOBS}/{quote(job)}"


def compare_page(first: str, second: str = "") -> str:
    """The page of two jobs side by side."""
    return f"{COMPARE}?{urlencode({'a': first, 'b': second})}"


def table_page(table: str, network: str) -> str:
    """The page of one network of a table."""
    return f"{WEB}/table?{urlencode({'name': table, 'network': network})}"


def artefact(job: str, name: str) -> str:
    """A file that a job has made."""
    return f"/v1/jobs/{quote(job)}/artefacts/{quote(name)}"


def within(place: str) -> str:
    """`place` where it is one of the pages, else the first page: no link leads elsewhere from here."""
    return place if place == WEB or place.startswith(f"{WEB}/") else JOBS
