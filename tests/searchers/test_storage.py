from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from autoprune.errors import BadInput, CorruptFile
from autoprune.searchers.storage import open_storage


def study_file(path: Path) -> Path:
    optuna.create_study(study_name="toy", storage=f"sqlite:///{path}")
    return path


def test_none_is_memory_and_a_path_is_a_file(tmp_path: Path) -> None:
    assert isinstance(open_storage(None), optuna.storages.InMemoryStorage)
    open_storage(str(tmp_path / "a b.db"))
    assert (tmp_path / "a b.db").stat().st_size
    assert len(open_storage(f"sqlite:///{study_file(tmp_path / 'c.db')}").get_all_studies()) == 1


def test_what_is_no_study_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_text("not a database, but long enough to be looked at\n" * 50)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
        connection.commit()
    cut = study_file(tmp_path / "cut.db")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    for path, error, complaint in [
        (text, CorruptFile, "not a readable SQLite file"),
        (other, BadInput, "another program"),
        (cut, CorruptFile, "move it away"),
    ]:
        before = path.read_bytes()
        with pytest.raises(error, match=complaint):
            open_storage(path)
        assert path.read_bytes() == before


def test_a_place_that_cannot_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"runs/study\.db: its folder does not exist"):
        open_storage(tmp_path / "runs" / "study.db")
    with pytest.raises(BadInput, match=r"is a folder; the study is one file in it"):
        open_storage(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["postgresql+nodriver://u:secret@host/x", "nonsense://u:secret@host/x", "://"])
def test_a_url_that_cannot_be_opened_hides_its_password(url: str) -> None:
    with pytest.raises(BadInput, match="the study cannot be opened") as caught:
        open_storage(url)
    assert "secret" not in str(caught.value)
