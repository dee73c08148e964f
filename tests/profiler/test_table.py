from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_example import digest, example_table

from autoprune.cost import Kernel, Measurement
from autoprune.errors import BadInput, CorruptFile, ForeignTable
from autoprune.profiler.table import LatencyTable, NoiseFloor, Row, Verification

TABLE = example_table()


def written(tmp_path: Path) -> Path:
    path = tmp_path / "device" / "table.json"
    TABLE.save(path)
    return path


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = written(tmp_path)
    read = LatencyTable.load(path)
    assert read.kernels == TABLE.kernels
    assert read.networks == TABLE.networks
    assert read.fingerprint == TABLE.fingerprint
    assert list(path.parent.iterdir()) == [path]


SHAPES = st.lists(st.tuples(st.integers(0, 512), st.integers(0, 64)), min_size=1, max_size=3).map(tuple)


@given(SHAPES, SHAPES, st.floats(1e-4, 1e3), st.floats(0, 10), st.integers(1, 99))
def test_a_row_keeps_its_kernel_and_its_time(
    inputs: tuple[tuple[int, int], ...], outputs: tuple[tuple[int, int], ...], ms: float, spread: float, visits: int
) -> None:
    kernel = Kernel("Conv[dilations=2,2]", inputs, outputs)
    row = Row.of(kernel, Measurement(ms, spread, visits))
    again = Row.model_validate_json(row.model_dump_json())
    assert again.kernel == kernel
    assert again.time.median == pytest.approx(ms, rel=1e-5)
    assert again.time.spread == pytest.approx(spread, rel=5e-3)
    assert again.time.runs == visits


def test_a_person_can_compare_two_tables_line_by_line() -> None:
    text = TABLE.to_json()
    lines = [line for line in text.splitlines() if line.startswith('  {"op"')]
    assert len(lines) == len(TABLE.rows)
    rows = [json.loads(line.rstrip(",")) for line in lines]
    assert rows == sorted(rows, key=lambda row: (row["op"], row["inputs"], row["outputs"]))
    backwards = TABLE.model_copy(update={"rows": TABLE.rows[::-1]})
    assert backwards.to_json() == text


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such latency table; make one with autoprune profile --out"):
        LatencyTable.load(tmp_path / "none.json")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_table_is_corrupt(tmp_path: Path, share: float) -> None:
    path = written(tmp_path)
    text = path.read_text()
    path.write_text(text[: int(share * (len(text) - 2))])
    with pytest.raises(CorruptFile, match=r"table\.json"):
        LatencyTable.load(path)


def test_a_number_changed_by_hand_does_not_match_the_checksum(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"ms": 0.25', '"ms": 0.2501'))
    with pytest.raises(CorruptFile, match="does not match its checksum"):
        LatencyTable.load(path)


@pytest.mark.parametrize("content", ["[]", "7", '{"schema": "something/1"}', "{}", "[" * 100_000])
def test_what_is_no_table_is_corrupt(tmp_path: Path, content: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(CorruptFile):
        LatencyTable.load(path)


def test_another_version_of_the_schema_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    change(path, schema="autoprune.latency-table/2")
    with pytest.raises(BadInput, match=r"latency-table/2 is not autoprune\.latency-table/1"):
        LatencyTable.load(path)


@pytest.mark.parametrize(
    "row",
    [
        {"op": "Relu", "inputs": [[1]], "outputs": [[1]], "ms": -1.0, "spread_ms": 0.0, "visits": 3},
        {"op": "Relu", "inputs": [[1]], "outputs": [[1]], "ms": 1.0, "spread_ms": 0.0, "visits": 0},
        {"op": "Relu", "inputs": [[-1]], "outputs": [[1]], "ms": 1.0, "spread_ms": 0.0, "visits": 3},
        {"op": "Relu", "ms": 1.0},
    ],
)
def test_rows_that_cannot_be_are_corrupt_even_with_a_good_checksum(tmp_path: Path, row: dict[str, Any]) -> None:
    from autoprune.profiler.table import _checksum

    content = json.loads(TABLE.to_json())
    del content["sha256"]
    content["rows"] = [row]
    path = tmp_path / "table.json"
    path.write_text(json.dumps({**content, "sha256": _checksum(content)}))
    with pytest.raises(CorruptFile, match=r"rows\.0"):
        LatencyTable.load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        TABLE.save(folder / "table.json")
    assert folder.read_text() == "in the way"


def test_merging_takes_the_newer_rows_and_all_networks() -> None:
    relu = Kernel("Relu", ((1, 8),), ((1, 8),))
    newer = example_table(
        rows={relu: Measurement(9.0, 0.1, 3)},
        networks={"0" * 16: TABLE.networks[digest()]},
        day=datetime.date(2030, 1, 1),
    )
    merged = TABLE.merge(newer)
    assert merged.kernels[relu].median == 9.0
    assert len(merged.rows) == len(TABLE.rows)
    assert set(merged.networks) == {digest(), "0" * 16}
    assert merged.created == datetime.date(2030, 1, 1)


def test_tables_of_two_devices_do_not_mix() -> None:
    with pytest.raises(ForeignTable, match="threads 1 against 4"):
        TABLE.merge(example_table(threads=4))


def test_a_network_that_was_never_profiled_is_refused() -> None:
    assert TABLE.fit(digest()).name == "small"
    with pytest.raises(BadInput, match=r"does not hold this network \(it holds small\)"):
        TABLE.fit("f" * 16)


def test_a_verification_is_kept_with_its_network(tmp_path: Path) -> None:
    floor = NoiseFloor(mape=0.01, max_error=0.02, drift=-0.005)
    checked = Verification(
        networks=2, mape=0.02, max_error=0.03, within_5pct=1, within_10pct=1, rank_correlation=1, noise_floor=floor
    )
    path = tmp_path / "table.json"
    TABLE.verified(digest(), checked).save(path)
    assert LatencyTable.load(path).networks[digest()].verification == checked
    assert TABLE.networks[digest()].verification is None
