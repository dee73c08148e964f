"""The database: a SQLite file in WAL mode, or PostgreSQL; DBOS keeps its own tables in the same one."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as Busy

from autoprune.errors import BadInput
from autoprune.service.records.schema import metadata

_POOL = 20
_BUSY_MS = 5000  # for another program's lock


@dataclass(frozen=True, slots=True)
class _Turn:
    """Held by the thread that writes to a SQLite file; the others wait for it, no longer than `seconds`."""

    lock: threading.Lock
    seconds: float


_turns: WeakKeyDictionary[sa.Engine, _Turn] = WeakKeyDictionary()


def open_database(url: str, *, busy_ms: int = _BUSY_MS) -> sa.Engine:
    """The engine of `url`, its tables made where they are missing; raises `BadInput` where it cannot be opened.

    SQLite: writers wait `busy_ms` for each other, readers for nobody, and what was committed
    survives a power cut.
    """
    try:
        engine = _engine(url, busy_ms)
        metadata.create_all(engine)
        DBOS.migrate(engine.url.render_as_string(hide_password=False))
    except (SQLAlchemyError, ImportError) as error:
        shown = sa.make_url(url).render_as_string(hide_password=True)
        reason = str(error).partition("\n")[0]
        raise BadInput(f"{shown}: the service's database cannot be opened ({reason})") from error
    return engine


def _engine(url: str, busy_ms: int) -> sa.Engine:
    if not url.startswith("sqlite"):
        bare = sa.make_url(url).set(drivername="postgresql+psycopg")
        return sa.create_engine(bare, pool_size=_POOL, pool_pre_ping=True)
    engine = sa.create_engine(url, pool_size=_POOL, connect_args={"timeout": busy_ms / 1000})
    _turns[engine] = _Turn(threading.Lock(), 2 * busy_ms / 1000)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # A transaction that begins with a write takes the lock at once: it cannot find itself outrun later.
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes; committed when the block ends well.

    A SQLite file has one writer at a time. Threads of one process queue for it here, in turn; in SQLite they would
    look again and again whether it is free, and the unlucky ones would find it busy. Raises `Busy` where the turn does
    not come for long.
    """
    with _in_turn(_turns.get(engine)), engine.begin() as connection:
        yield connection


@contextmanager
def _in_turn(turn: _Turn | None) -> Iterator[None]:
    if turn is None:
        yield
        return
    if not turn.lock.acquire(timeout=turn.seconds):
        raise Busy(f"no turn to write within {turn.seconds:g} s")
    try:
        yield
    finally:
        turn.lock.release()


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, means that no space is left on the disk.

    Libraries that write files in languages of their own (tensors, a search's study) tell it by the text only.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(said in str(error) for said in ("disk is full", os.strerror(errno.ENOSPC))):
            return True
        error = error.__cause__ or error.__context__
    return False


def clock(engine: sa.Engine) -> sa.ColumnElement[float]:
    """The database's own time, in seconds since 1970 UTC: machines that share one need not agree on theirs."""
    if engine.dialect.name == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)
    return sa.literal(now())


def now() -> float:
    """Seconds since 1970 UTC."""
    return time.time()
