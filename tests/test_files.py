from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.errors import BadInput
from autoprune.files import TEMPORARY, replacing, write_atomic


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@given(st.one_of(st.binary(), st.text()))
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, content: bytes | str) -> None:
    path = tmp_path_factory.mktemp("atomic") / "file"
    try:
        expected = content.encode() if isinstance(content, str) else content
    except UnicodeEncodeError:
        return
    write_atomic(path, content)
    assert listing(path.parent) == {"file": expected}


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")

    def write_half_and_fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        write_half_and_fail()
    assert listing(tmp_path) == {"file": b"old"}


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_temporary_file_is_hidden_and_can_be_told_by_its_name(tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as temporary:
        assert temporary.name.startswith(".file.")
        assert temporary.suffix == TEMPORARY
        temporary.write_text("new")
    with replacing(tmp_path / "file") as again:
        assert again != temporary
        again.write_text("newer")


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b" / "file", "text")
    assert listing(tmp_path) == {"a/b/file": b"text"}


@pytest.mark.parametrize("place", ["file/table", "folder"])
def test_what_cannot_be_written_is_named_and_changes_nothing(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    before = listing(tmp_path)
    with pytest.raises(BadInput, match=rf"{place}: cannot be written \(.+\)"):
        write_atomic(tmp_path / place, "text")
    assert listing(tmp_path) == before
