"""How far a search in another process has come."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

_JUDGED = "from study_user_attributes where key like 'autoprune.kept.judged.%'"


def recorded(study: Path) -> int:
    """Trials in the ledger of a search that may be running; 0 while there is none."""
    rows = _rows(study, "select count(*) from trials where state in ('COMPLETE', 'FAIL')")
    return int(rows[0][0]) if rows else 0


def judged(study: Path) -> dict[str, Any]:
    """What the ledger keeps of the selection split, by name: widths, conditions and quality."""
    return {name: json.loads(value) for name, value in _rows(study, f"select key, value_json {_JUDGED}")}


def mark_judged(study: Path) -> None:
    """Change each judgement of a finished or killed search in a number that no search chooses by here."""
    with closing(sqlite3.connect(study)) as database, database:
        for name, judgement in judged(study).items():
            judgement["quality"]["agreement"] = 0.125
            database.execute(
                "update study_user_attributes set value_json = ? where key = ?", (json.dumps(judgement), name)
            )


def _rows(study: Path, query: str) -> list[tuple[Any, ...]]:
    if not study.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"file:{study}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()
    except sqlite3.Error:
        return []
