"""/web/table: one network of a latency table, its stairs and how the table compared with the clock."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import anyio.to_thread
from nicegui import ui
from starlette.requests import Request

from autoprune.errors import AutopruneError
from autoprune.service.admission import table_file
from autoprune.service.records import uploads
from autoprune.service.state import Service
from autoprune.service.web import markup
from autoprune.service.web.drawing import pictures
from autoprune.service.web.pages.frame import area, framed, pages_of, visitor_of
from autoprune.service.web.places import TABLES
from autoprune.tables.reading import read_table
from autoprune.tables.review import Review, find_network
from autoprune.tables.words import NOT_WORTH, figures


@ui.page("/table", response_timeout=60)
async def show_table(request: Request, name: str = "", network: str = "") -> None:
    """One network of a table."""
    service = pages_of(request).service
    try:
        content = await anyio.to_thread.run_sync(_content, service, name, network)
    except AutopruneError as error:
        ui.context.client.status_code = 404
        content = markup.render("nothing", what=str(error))
    with framed(visitor_of(request), "Table", TABLES):
        area(content)


def _content(service: Service, name: str, network: str) -> str:
    path = table_file(name, service.settings, lambda upload: uploads.find(service.engine, upload))
    return _drawn(name, path, path.stat().st_mtime_ns, network)


@functools.lru_cache(maxsize=32)
def _drawn(name: str, path: Path, stamp: int, network: str) -> str:  # noqa: ARG001 - a changed file is another entry
    """The page's content; drawn once for all who look."""
    table = read_table(path)
    review = Review.of(table, find_network(table, network))
    profile, verification = review.profile, review.profile.verification
    known = [[step for step in steps if math.isfinite(step.ms)] for steps in review.stairs]
    groups = zip(profile.groups, known, strict=True)
    return markup.render(
        "table",
        name=name,
        profile=profile,
        review=review,
        device=table.fingerprint.gpu or table.fingerprint.cpu,
        created=table.created,
        dense_ms=profile.constant_ms + profile.scale * profile.dense_ms,
        verification=verification,
        figures=figures(verification) if verification else [],
        fidelity=pictures.fidelity(verification) if verification else "",
        stairs=[(group.name, pictures.stairs(steps, group.name)) for group, steps in groups if steps],
        not_worth=NOT_WORTH,
    )
