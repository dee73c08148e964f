from __future__ import annotations

import dataclasses
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from damaged_tables import OBJECTS, PLACES, at, example_content, put, sealed, written
from table_example import digest, example_table

from autoprune.errors import BadInput, CorruptFile
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.tables.reading import read_table

TABLE = example_table()
NETWORK = ("networks", digest())


def saved(folder: Path) -> Path:
    path = folder / "device" / "table.json"
    TABLE.save(path)
    return path


def in_order(table: LatencyTable) -> LatencyTable:
    """A file lists rows in an order of its own."""
    return dataclasses.replace(table, rows=tuple(sorted(table.rows, key=lambda r: (r.op, r.inputs, r.outputs))))


@pytest.mark.parametrize("name", ["table.json", "table.json.gz"])
def test_what_is_read_is_what_was_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "device" / name
    TABLE.save(path)
    assert read_table(path) == in_order(TABLE)
    assert list(path.parent.iterdir()) == [path]
    assert read_table(path).to_json() == TABLE.to_json()


def test_all_that_a_table_can_say_is_read(tmp_path: Path) -> None:
    read = read_table(written(tmp_path, sealed(example_content())))
    assert read.fingerprint.affinity == (0, 2)
    assert read.network(digest()).plan.unexplained == (("odd", "Relu"),)
    verification = read.network(digest()).verification
    assert verification is not None
    assert verification.rows[0].widths == (8, 8)
    assert read_table(written(tmp_path, read.to_json())) == read


@pytest.mark.parametrize(("name", "packed"), [("table.json", True), ("table.json.gz", False)])
def test_what_a_browser_has_unpacked_or_packed_is_read_by_its_content(tmp_path: Path, name: str, packed: bool) -> None:
    text = TABLE.to_json().encode()
    assert read_table(written(tmp_path, gzip.compress(text) if packed else text, name)) == in_order(TABLE)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such latency table; make one with autoprune profile --out"):
        read_table(tmp_path / "none.json")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_table(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be read by the superuser")
def test_a_table_that_may_not_be_read(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.chmod(0)
    with pytest.raises(BadInput, match="cannot be read"):
        read_table(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["table.json", "table.json.gz"])
def test_a_truncated_table_is_corrupt(tmp_path: Path, share: float, name: str) -> None:
    TABLE.save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    path = written(tmp_path, whole[: int(share * (len(whole) - 2))], name)
    with pytest.raises(CorruptFile, match=rf"{name}: truncated or not JSON; restore the file or profile again"):
        read_table(path)


def test_a_number_changed_by_hand_does_not_match_the_checksum(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.write_text(path.read_text().replace('"ms": 0.25', '"ms": 0.2501'))
    with pytest.raises(CorruptFile, match="does not match its checksum"):
        read_table(path)


def test_a_table_without_a_checksum_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(CorruptFile, match="does not match its checksum"):
        read_table(written(tmp_path, json.dumps(example_content())))


@pytest.mark.parametrize("content", ["[]", "7", "null", '{"schema": "something/1"}', "{}", "[" * 100_000, "{}{}"])
def test_what_is_no_table_is_corrupt(tmp_path: Path, content: str) -> None:
    with pytest.raises(CorruptFile, match=r"table\.json: (not a latency table|truncated or not JSON)"):
        read_table(written(tmp_path, content))


@pytest.mark.parametrize("version", ["1", "3", "2.1", "2\n"])
def test_another_version_of_the_schema_is_refused(tmp_path: Path, version: str) -> None:
    path = written(tmp_path, sealed({**example_content(), "schema": f"autoprune.latency-table/{version}"}))
    with pytest.raises(
        BadInput, match=r"latency-table/.* is not 'autoprune\.latency-table/2'.*profile again"
    ) as refused:
        read_table(path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("units", ["us", "s", "MS", None, 1])
def test_other_units_are_refused(tmp_path: Path, units: object) -> None:
    with pytest.raises(BadInput, match=r"units .* are not 'ms', the only ones read; profile again"):
        read_table(written(tmp_path, sealed({**example_content(), "units": units})))


@pytest.mark.parametrize("place", OBJECTS, ids=lambda place: ".".join(map(str, place)) or "table")
def test_what_the_schema_does_not_know_is_refused_at_every_level(tmp_path: Path, place: tuple[str | int, ...]) -> None:
    content = put(example_content(), (*place, "colour"), "red")
    with pytest.raises(CorruptFile, match=r"table\.json: .*colour"):
        read_table(written(tmp_path, sealed(content)))


NUMBERS = tuple(place for place in PLACES if isinstance(at(example_content(), place), (int, float)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, False, "1", None, [1], 1e16])
def test_what_is_no_plain_number_is_refused_wherever_a_number_stands(tmp_path: Path, value: Any) -> None:
    accepted = []
    for place in NUMBERS:
        path = written(tmp_path, sealed(put(example_content(), place, value)))
        try:
            read_table(path)
        except CorruptFile as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 - every one of hundreds
        else:
            accepted.append(place)
    assert accepted == ([("conditions", "load")] if value is None else [])  # a load may not be known


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("rows", 0, "ms"), -1.0, r"rows\.0: .*ms must be positive"),
        (("rows", 0, "ms"), 0, r"rows\.0: .*ms must be positive"),
        (("rows", 0, "spread_ms"), -0.1, r"rows\.0: .*spread_ms must not be negative"),
        (("rows", 0, "visits"), 0, r"rows\.0: .*runs >= visits >= 1"),
        (("rows", 0, "inputs"), [[-1]], r"rows\.0: .*lengths must not be negative"),
        (("rows", 0, "inputs"), [[1.5]], r"rows\.0\.inputs\.0\.0: .*valid integer"),
        (("rows", 0), {"op": "Relu", "ms": 1.0}, r"rows\.0\.\w+: Field required|rows\.0\.\w+: Missing"),
        (("rows",), [*example_content()["rows"], example_content()["rows"][0]], "a kernel has two rows"),
        (("rows",), {}, "rows: "),
        (("created",), "01.02.2026", "created must be a day"),
        (("reference", "median"), 0, "reference must be positive"),
        (("fingerprint", "cores"), 0, "cores must be at least 1"),
        (("fingerprint", "threads"), 0, "threads must be at least 1"),
        (("fingerprint", "provider"), "tpu", "provider must be one of cpu, cuda, got 'tpu'"),
        (("fingerprint", "affinity"), [1, 1], "affinity must name distinct processors"),
        (("fingerprint", "cpu"), "two\nlines", "cannot be printed"),
        ((*NETWORK, "scale"), 0, "scale must lie in"),
        ((*NETWORK, "constant_ms"), -1e6, "dense network must take a positive time"),
        ((*NETWORK, "groups", 0, "widths"), [8, 24, 16], "widths must be positive, ascend and end with 24"),
        ((*NETWORK, "groups", 1, "name"), "inner", "group names must be unique"),
        ((*NETWORK, "groups", 1, "unit"), 3, "widths must be multiples of its unit 3"),
        ((*NETWORK, "groups", 0), {"name": "inner", "width": 10**12, "unit": 1, "widths": [10**12]}, "at most 1048576"),
        ((*NETWORK, "plan", "sites"), [], "the plan must have a kernel"),
        ((*NETWORK, "anchors"), [], "there must be an anchor"),
        ((*NETWORK, "anchors", 0, "ms"), 0, "ms must be positive"),
        ((*NETWORK, "anchors", 0, "widths"), [24], "the policy has 1 widths, the network has 2 groups"),
        ((*NETWORK, "anchors", 0, "widths"), [25, 16], "group inner: width 25 must be a multiple of 1 and at most 24"),
        ((*NETWORK, "anchors", 0, "widths"), [0, 16], "at least one channel in every group"),
        ((*NETWORK, "verification", "rows", 0, "widths"), [8, 7], "group outer: width 7 must be a multiple of 2"),
        ((*NETWORK, "plan", "sites", 1, "inputs", 0, 1, "extent", "terms"), [[2, 1]], r"depends on group \[2\] of 2"),
        ((*NETWORK, "plan", "sites", 1, "inputs", 0, 1, "extent", "terms"), [[-1, 1]], r"depends on group \[-1\] of 2"),
        (
            (*NETWORK, "plan", "sites", 1, "inputs", 0, 1),
            {"extent": {"fixed": 1}, "block": 0},
            "block must be at least 1",
        ),
        ((*NETWORK, "plan", "sites", 2, "presence", "region"), {"step": 0}, "step must be at least 1"),
        ((*NETWORK, "verification", "within_5pct"), 1.5, r"within_5pct must lie in \[0, 1\]"),
        ((*NETWORK, "verification", "speed"), 0, "speed must be positive"),
    ],
)
def test_rules_hold_even_where_the_checksum_fits(
    tmp_path: Path, place: tuple[str | int, ...], value: Any, says: str
) -> None:
    path = written(tmp_path, sealed(put(example_content(), place, value)))
    with pytest.raises(CorruptFile, match=says) as refused:
        read_table(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert str(refused.value).endswith("; restore the file or profile again")


def test_of_two_things_a_length_may_be_the_one_it_resembles_is_explained(tmp_path: Path) -> None:
    place = (*NETWORK, "plan", "sites", 1, "inputs", 0, 1, "extent", "fixed")
    with pytest.raises(CorruptFile, match=r"Axis\.extent\.fixed: Input should be a valid integer"):
        read_table(written(tmp_path, sealed(put(example_content(), place, "none"))))


def test_a_file_that_unpacks_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "table.json.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(260):
            file.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(CorruptFile, match="truncated or not JSON"):
        read_table(path)
