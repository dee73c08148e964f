"""Tokens and the browser sessions made from them. Only hashes are kept: whoever reads the database cannot use them.

A token is 256 random bits, which nobody can guess, so one SHA-256 guards it as well as a slow hash would.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from autoprune.client.documents import Scope, TokenDocument
from autoprune.service.records.database import now, writing
from autoprune.service.records.schema import sessions, tokens

_PREFIX = "ap"
SESSION_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Session:
    """A browser's session: `secret` goes into its cookie, `csrf` into a header of whatever changes something."""

    secret: str
    csrf: str


def create(engine: sa.Engine, name: str, scope: Scope) -> TokenDocument:
    """A new token; this is the only time that it is told."""
    made, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    created = now()
    with writing(engine) as connection:
        row = {"id": made, "name": name, "scope": scope, "hash": _hash(secret), "created": created}
        connection.execute(tokens.insert().values(row))
    return TokenDocument(id=made, name=name, scope=scope, created=created, token=f"{_PREFIX}_{made}_{secret}")


def find(engine: sa.Engine, token: str) -> TokenDocument | None:
    """The token that a request shows; None where it is none of ours."""
    prefix, _, rest = token.partition("_")
    made, _, secret = rest.partition("_")
    if prefix != _PREFIX:
        return None
    with engine.connect() as connection:
        row = connection.execute(sa.select(tokens).where(tokens.c.id == made)).one_or_none()
    if row is None or not hmac.compare_digest(row.hash, _hash(secret)):
        return None
    return TokenDocument(id=row.id, name=row.name, scope=row.scope, created=row.created)


def every(engine: sa.Engine) -> list[TokenDocument]:
    """All tokens, oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(tokens).order_by(tokens.c.created)).all()
    return [TokenDocument(id=row.id, name=row.name, scope=row.scope, created=row.created) for row in rows]


def any_there(engine: sa.Engine) -> bool:
    """Whether there is a token at all."""
    with engine.connect() as connection:
        return connection.execute(sa.select(tokens.c.id).limit(1)).first() is not None


def revoke(engine: sa.Engine, token: str) -> bool:
    """Forget the token with this id, and its sessions; whether there was one."""
    with writing(engine) as connection:
        connection.execute(sessions.delete().where(sessions.c.token == token))
        return connection.execute(tokens.delete().where(tokens.c.id == token)).rowcount == 1


def open_session(engine: sa.Engine, token: str) -> Session:
    """A session in the name of the token with this id; sessions that have run out are forgotten."""
    session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    row = {
        "hash": _hash(session.secret),
        "token": token,
        "csrf": _hash(session.csrf),
        "expires": now() + SESSION_SECONDS,
    }
    with writing(engine) as connection:
        connection.execute(sessions.delete().where(sessions.c.expires < now()))
        connection.execute(sessions.insert().values(row))
    return session


def of_session(engine: sa.Engine, secret: str, csrf: str | None) -> tuple[TokenDocument, bool] | None:
    """The token of a session that a cookie shows, and whether `csrf` belongs to it; None where it has run out."""
    live = sa.and_(sessions.c.hash == _hash(secret), sessions.c.expires >= now())
    query = sa.select(tokens, sessions.c.csrf).join(sessions, sessions.c.token == tokens.c.id).where(live)
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    matches = csrf is not None and hmac.compare_digest(row.csrf, _hash(csrf))
    return TokenDocument(id=row.id, name=row.name, scope=row.scope, created=row.created), matches


def live_sessions(engine: sa.Engine, asked: Collection[str]) -> set[str]:
    """Of the sessions with the secrets `asked` those that are still open."""
    by_hash = {_hash(secret): secret for secret in asked}
    live = sa.and_(sessions.c.hash.in_(list(by_hash)), sessions.c.expires >= now())
    with engine.connect() as connection:
        return {by_hash[row.hash] for row in connection.execute(sa.select(sessions.c.hash).where(live))}


def close_session(engine: sa.Engine, secret: str) -> None:
    """Forget a session."""
    with writing(engine) as connection:
        connection.execute(sessions.delete().where(sessions.c.hash == _hash(secret)))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
