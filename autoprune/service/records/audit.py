"""The audit log: who changed what, from where, and whether it was let. It is only ever added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from autoprune.service.records.database import now, writing
from autoprune.service.records.schema import audit


@dataclass(frozen=True, slots=True)
class Line:
    """A request that changed something or tried to: whose, from which address, and the HTTP status of the answer."""

    who: str
    address: str
    action: str
    target: str
    status: int
    at: float = field(default_factory=now)


def append(engine: sa.Engine, lines: Sequence[Line]) -> None:
    """Add lines, in one transaction."""
    with writing(engine) as connection:
        connection.execute(audit.insert(), [asdict(line) for line in lines])


def newest(engine: sa.Engine, limit: int) -> list[dict[str, Any]]:
    """The last lines, newest first."""
    query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]
