"""How far a search in another process has come."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def recorded(study: Path) -> int:
    """Trials in the ledger of a search that may be running; 0 while there is none."""
    if not study.is_file():
        return 0
    try:
        with sqlite3.connect(f"file:{study}?mode=ro", uri=True) as database:
            [[count]] = database.execute("select count(*) from trials where state in ('COMPLETE', 'FAIL')")
            return int(count)
    except sqlite3.Error:
        return 0
