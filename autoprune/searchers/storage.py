"""Opening the database of a ledger: a SQLite file, or any URL that SQLAlchemy knows."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from autoprune.errors import BadInput, CorruptFile

_LOCK_SECONDS = 60  # how long a process waits for another one's record
_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6)


def open_storage(place: str | Path | None) -> BaseStorage:
    """The storage at `place`: a path (SQLite file, made where there is none), a URL, or None for memory.

    Raises `BadInput` where it cannot be opened or holds another program's data, `CorruptFile` for a
    damaged file. Neither is changed then.
    """
    if place is None:
        return InMemoryStorage()
    url = str(place)
    if "://" not in url:
        _check_file(Path(place))
        url = f"sqlite:///{Path(place).absolute()}"
    try:
        return _connect(url)
    except (SQLAlchemyError, optuna.exceptions.OptunaError, ImportError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(
            f"{_shown(url)}: the study cannot be opened ({reason}); give a path or a database URL"
        ) from error


def _connect(url: str) -> RDBStorage:
    options = {"connect_args": {"timeout": _LOCK_SECONDS}} if url.startswith("sqlite") else {}
    for pause_s in _PAUSES_S:
        try:
            return RDBStorage(url, engine_kwargs=options)
        except SQLAlchemyError as error:
            # Two processes make the tables of one new study at once: the later one waits for the earlier.
            if "already exists" not in str(error) and not isinstance(error, IntegrityError):
                raise
            time.sleep(pause_s)
    return RDBStorage(url, engine_kwargs=options)


def _check_file(path: Path) -> None:
    """Look at `path` before Optuna would write its tables into what is not a study."""
    if not path.absolute().parent.is_dir():
        raise BadInput(f"{path}: its folder does not exist; make it first or give another path")
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; the study is one file in it, such as {path / 'study.db'}")
    if not path.exists() or not path.stat().st_size:
        return
    try:
        # Not read-only, which could not roll back what a killed process has left half written.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_LOCK_SECONDS)) as file:
            tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            damage = file.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise BadInput(f"{path}: cannot be opened ({error}); wait for its other users or give another path") from None
    except sqlite3.DatabaseError as error:
        raise CorruptFile(f"{path}: not a readable SQLite file ({error}); move it away or give another path") from None
    if damage != "ok":
        raise CorruptFile(f"{path}: the study is damaged ({damage}); move it away or give another path")
    if tables and "studies" not in tables:
        raise BadInput(f"{path}: a SQLite file of another program; give another path for the study")


def _shown(url: str) -> str:
    """The URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "the study's URL"
