"""The files that were uploaded: whose they are, and what they hold."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from autoprune.client.documents import UploadDocument, UploadKind
from autoprune.service.records.database import writing
from autoprune.service.records.schema import uploads


def insert(engine: sa.Engine, upload: UploadDocument, token: str) -> None:
    """Write down a file that lies in its place."""
    with writing(engine) as connection:
        connection.execute(uploads.insert().values(**upload.model_dump(), token=token))


def find(engine: sa.Engine, upload: str) -> UploadDocument | None:
    """The upload with this id, if there is one."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(uploads).where(uploads.c.id == upload)).one_or_none()
    return None if row is None else _document(row)


def token_of(engine: sa.Engine, upload: str) -> str | None:
    """The id of the token that made the upload, if there is such an upload."""
    with engine.connect() as connection:
        return connection.execute(sa.select(uploads.c.token).where(uploads.c.id == upload)).scalar_one_or_none()


def every(engine: sa.Engine, kind: UploadKind | None = None) -> list[UploadDocument]:
    """All uploads of a kind, or of any, newest first."""
    query = sa.select(uploads).order_by(uploads.c.created.desc())
    if kind is not None:
        query = query.where(uploads.c.kind == kind)
    with engine.connect() as connection:
        return [_document(row) for row in connection.execute(query)]


def stored_bytes(engine: sa.Engine, token: str) -> int:
    """What all files of a token take."""
    query = sa.select(sa.func.coalesce(sa.func.sum(uploads.c.bytes), 0)).where(uploads.c.token == token)
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def delete(engine: sa.Engine, upload: str) -> bool:
    """Forget an upload; whether there was one."""
    with writing(engine) as connection:
        return connection.execute(uploads.delete().where(uploads.c.id == upload)).rowcount == 1


def _document(row: sa.Row[Any]) -> UploadDocument:
    return UploadDocument.model_validate(dict(row._mapping))
