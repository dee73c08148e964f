"""The audit log: who changed what, from where, and whether it was let. It is only ever added to."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from autoprune.service.records.database import now, writing
from autoprune.service.records.schema import audit


def append(engine: sa.Engine, *, who: str, address: str, action: str, target: str, status: int) -> None:
    """Add a line."""
    row = {"at": now(), "who": who, "address": address, "action": action, "target": target, "status": status}
    with writing(engine) as connection:
        connection.execute(audit.insert().values(row))


def newest(engine: sa.Engine, limit: int) -> list[dict[str, Any]]:
    """The last lines, newest first."""
    query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]
