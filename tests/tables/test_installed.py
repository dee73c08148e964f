from __future__ import annotations

from pathlib import Path

import pytest
from table_example import digest, example_fingerprint, example_table

from autoprune.errors import CorruptFile
from autoprune.tables.installed import find_table, find_tables

FOLDER = example_fingerprint().folder


def test_finds_the_tables_of_every_device(tmp_path: Path) -> None:
    example_table().save(tmp_path / "one" / "a.json")
    example_table(threads=4).save(tmp_path / "two" / "b.json")
    (tmp_path / "SCHEMA.md").write_text("not a table")
    assert list(find_tables(tmp_path)) == [tmp_path / "one" / "a.json", tmp_path / "two" / "b.json"]


def test_only_a_table_of_exactly_this_device_will_do(tmp_path: Path) -> None:
    example_table(threads=4).save(tmp_path / FOLDER / "a.json")
    (tmp_path / "another device").mkdir()
    (tmp_path / "another device" / "broken.json").write_text("{}")
    assert find_table(example_fingerprint(), root=tmp_path) is None
    found = find_table(example_fingerprint(threads=4), root=tmp_path)
    assert found is not None
    assert found.fingerprint.threads == 4


def test_the_newest_is_taken_and_must_hold_the_network(tmp_path: Path) -> None:
    example_table().save(tmp_path / FOLDER / "old.json")
    example_table(networks={}, day="2030-01-01").save(tmp_path / FOLDER / "new.json")
    newest = find_table(example_fingerprint(), root=tmp_path)
    holding = find_table(example_fingerprint(), digest(), root=tmp_path)
    assert newest is not None
    assert newest.created == "2030-01-01"
    assert holding is not None
    assert holding.created == "2026-01-01"


def test_a_table_that_cannot_be_trusted_is_named(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "bad.json").write_text("{}")
    with pytest.raises(CorruptFile, match=r"bad\.json"):
        find_tables(tmp_path)


def test_the_package_s_own_tables_can_all_be_read() -> None:
    assert all(table.rows for table in find_tables().values())
