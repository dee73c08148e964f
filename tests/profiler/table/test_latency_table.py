from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_example import digest, example_network, example_plan, example_space, example_table

from autoprune.cost import Kernel, Measurement
from autoprune.errors import BadInput
from autoprune.profiler.plan.extents import Axis, Region
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.network_profile import ProfiledGroup
from autoprune.profiler.table.row import Row
from autoprune.profiler.table.verification import NoiseFloor, Verification, VerifiedNetwork
from autoprune.profiler.table.written import checksum, document
from autoprune.space import ChannelGroup, SearchSpace

TABLE = example_table()
RELU = Kernel("Relu", ((1, 8),), ((1, 8),))
SHAPES = st.lists(st.tuples(st.integers(0, 512), st.integers(0, 64)), min_size=1, max_size=3).map(tuple)


def verification(**changes: Any) -> Verification:
    floor = NoiseFloor(mape=0.01, max_error=0.02, drift=-0.005)
    row = VerifiedNetwork((8, 8), 1.02, 1.0, 0.01, 1.0, 1.0, 0.02)
    made = Verification(
        networks=1,
        mape=0.02,
        max_error=0.02,
        within_5pct=1.0,
        within_10pct=1.0,
        within_noise=1.0,
        rank_correlation=0.0,
        interpolated=0.25,
        speed=1.1,
        noise_floor=floor,
        rows=(row,),
    )
    return dataclasses.replace(made, **changes)


# Rows.


@given(SHAPES, SHAPES, st.floats(1e-4, 1e3), st.floats(0, 10), st.integers(1, 99))
def test_a_row_keeps_its_kernel_and_its_time(
    inputs: tuple[tuple[int, int], ...], outputs: tuple[tuple[int, int], ...], ms: float, spread: float, visits: int
) -> None:
    kernel = Kernel("Conv[dilations=2,2]", inputs, outputs)
    row = Row.of(kernel, Measurement(ms, spread, visits), 10 * visits)
    assert row.kernel == kernel
    assert row.time.median == pytest.approx(ms, rel=1e-5)
    assert row.time.spread == pytest.approx(spread, rel=5e-3)
    assert (row.time.runs, row.runs) == (visits, 10 * visits)
    assert document(row)["inputs"] == [list(shape) for shape in inputs]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"op": ""}, "op must not be empty"),
        ({"inputs": ((1, -8),)}, "lengths must not be negative"),
        ({"outputs": ((-1,),)}, "lengths must not be negative"),
        ({"ms": 0.0}, "ms must be positive"),
        ({"ms": -1.0}, "ms must be positive"),
        ({"ms": float("nan")}, "ms must be positive"),
        ({"ms": float("inf")}, "ms must be positive"),
        ({"spread_ms": -0.1}, "spread_ms must not be negative"),
        ({"spread_ms": float("nan")}, "spread_ms must not be negative"),
        ({"visits": 0}, "runs >= visits >= 1"),
        ({"runs": 4}, "runs >= visits >= 1"),
    ],
)
def test_rows_that_cannot_be_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(Row.of(RELU, Measurement(1.0, 0.1, 5), 50), **changes)


# Groups, networks, verifications.


@pytest.mark.parametrize(
    ("widths", "unit", "says"),
    [
        ((), 1, "ascend and end with 16"),
        ((16, 8), 1, "ascend and end with 16"),
        ((8, 8, 16), 1, "ascend and end with 16"),
        ((0, 16), 1, "must be positive"),
        ((8,), 1, "end with 16"),
        ((8, 16), 0, "unit must be at least 1"),
    ],
)
def test_groups_that_cannot_be_are_refused(widths: tuple[int, ...], unit: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ProfiledGroup("inner", 16, unit, widths)


def test_no_group_is_so_wide_that_it_could_not_be_tabulated() -> None:
    with pytest.raises(ValueError, match="width must be at most"):
        ProfiledGroup("inner", 1 << 40, 1, (1 << 40,))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"networks": 0}, "networks must be at least 1"),
        ({"input_shape": (1, 0)}, r"input_shape\[1\] must be at least 1"),
        ({"scale": 0.0}, "scale must lie in"),
        ({"scale": float("nan")}, "scale must lie in"),
        ({"crowding": float("inf")}, "crowding must not exceed"),
        ({"dense_ms": -1.0}, "dense_ms must be positive"),
        ({"constant_ms": -4.0}, "the dense network must take a positive time"),
        ({"constant_ms": float("nan")}, "the dense network must take a positive time"),
        ({"mape": -0.1}, "mape must not be negative"),
        ({"unexplained": 1.5}, r"unexplained must lie in \[0, 1\]"),
        ({"groups": (ProfiledGroup("inner", 24, 1, (8, 16, 24)),)}, r"depends on group \[1.* of 1"),
        ({"plan": dataclasses.replace(example_plan(), sites=())}, "the plan must have a kernel"),
    ],
)
def test_networks_that_cannot_be_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(example_network(), **changes)


@pytest.mark.parametrize(
    "groups",
    [
        (ProfiledGroup("inner", 24, 1, (8, 24)), ProfiledGroup("inner", 16, 2, (8, 16))),
        (ProfiledGroup("inner", 24, 1, (8, 24)), ProfiledGroup("outer", 16, 3, (8, 16))),
    ],
    ids=["one name twice", "widths that are no multiples of the unit"],
)
def test_groups_that_make_no_space_are_refused(groups: tuple[ProfiledGroup, ...]) -> None:
    with pytest.raises(BadInput, match="group"):
        dataclasses.replace(example_network(), groups=groups)


@pytest.mark.parametrize(
    "change",
    [{"within_5pct": 1.1}, {"interpolated": -0.1}, {"networks": 0}, {"mape": -0.1}, {"speed": 0.0}, {"speed": -1.0}],
)
def test_verifications_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="|".join(change)):
        verification(**change)


@pytest.mark.parametrize(("kind", "value"), [("block", 0), ("block", -8), ("step", 0), ("step", -2)])
def test_lengths_that_divide_by_nothing_are_refused(kind: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{kind} must be at least 1, got {value}"):
        Region(step=value) if kind == "step" else Axis(example_extent(), value)


def example_extent() -> Any:
    [axis] = [axis for tensor in example_plan().sites[1].inputs for axis in tensor if isinstance(axis, Axis)]
    return axis.extent


def test_a_network_knows_its_groups_and_offers_what_was_measured() -> None:
    network = example_network()
    mine = [(g.name, g.width, g.widths, g.unit) for g in network.space.groups]
    assert mine == [(g.name, g.width, g.widths, g.unit) for g in example_space().groups]
    every = example_space().with_widths([tuple(range(1, 25)), tuple(range(2, 17, 2))])
    assert network.offered(every) == example_space()
    with pytest.raises(BadInput, match="small has other channel groups; profile this one"):
        network.offered(SearchSpace((ChannelGroup("inner", 24, (8, 24), ("inner",)),)))


# The table.


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"created": "yesterday"}, "created must be a day"),
        ({"created": "2026-02-30"}, "created must be a day"),
        ({"created": "20260230"}, "created must be a day"),
        ({"reference": Measurement(0.0, 0.0, 1)}, "reference must be positive"),
        ({"reference": Measurement(1.0, -0.1, 1)}, "spread must not be negative"),
        ({"reference": Measurement(1.0, 0.1, 0)}, "runs must be at least 1"),
        ({"drift": -0.1}, "drift must not be negative"),
        ({"disturbed": 1.1}, "disturbed must lie in"),
        ({"overhead_us": float("nan")}, "overhead_us must not be negative"),
        ({"rows": (*TABLE.rows, TABLE.rows[0])}, "a kernel has two rows"),
    ],
)
def test_tables_that_cannot_be_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(TABLE, **changes)


def test_a_network_that_was_never_profiled_is_refused() -> None:
    assert TABLE.network(digest()).name == "small"
    with pytest.raises(BadInput, match=r"does not hold this network at this input \(it holds small at [0-9x]+\)"):
        TABLE.network("f" * 16)


def test_a_verification_is_kept_with_its_network() -> None:
    checked = TABLE.verified(digest(), verification())
    assert checked.network(digest()).verification == verification()
    assert TABLE.network(digest()).verification is None
    assert checked.rows == TABLE.rows


# The file.


def test_a_person_can_compare_two_tables_line_by_line() -> None:
    text = TABLE.to_json()
    lines = [line for line in text.splitlines() if line.startswith('  {"op"')]
    assert len(lines) == len(TABLE.rows)
    rows = [json.loads(line.rstrip(",")) for line in lines]
    assert rows == sorted(rows, key=lambda row: (row["op"], row["inputs"], row["outputs"]))
    assert dataclasses.replace(TABLE, rows=TABLE.rows[::-1]).to_json() == text
    assert max(map(len, text.splitlines())) < 500


def test_one_row_more_is_one_line_more_and_another_checksum() -> None:
    tanh = Kernel("Tanh", ((1, 8),), ((1, 8),))
    more = dataclasses.replace(TABLE, rows=(*TABLE.rows, Row.of(tanh, Measurement(0.5, 0.2, 3), 3)))
    before, after = TABLE.to_json().splitlines(), more.to_json().splitlines()
    added = [line for line in after if line.rstrip(",") not in {one.rstrip(",") for one in before}]
    assert len(after) == len(before) + 1
    assert [line.split(":")[0].strip(' {"') for line in added] == ["sha256", "op"]


def test_the_checksum_is_of_the_content_whatever_the_order_of_its_keys() -> None:
    content = json.loads(TABLE.to_json())
    stated = content.pop("sha256")
    assert checksum(content) == stated
    assert checksum(dict(reversed(content.items()))) == stated
    assert checksum({**content, "drift": 0.011}) != stated


def test_a_document_leaves_out_what_is_at_its_default() -> None:
    assert "verification" not in document(example_network())
    assert "presence" not in document(example_plan())["sites"][0]
    assert document(Region(8, 4, Region(step=16))) == {"least": 8, "step": 4, "but": {"step": 16}}


def test_a_packed_table_is_the_same_text_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    TABLE.save(tmp_path / "table.json")
    for name in ("one.json.gz", "two.json.gz"):
        TABLE.save(tmp_path / "packed" / name)
    one, two = ((tmp_path / "packed" / name).read_bytes() for name in ("one.json.gz", "two.json.gz"))
    assert gzip.decompress(one) == (tmp_path / "table.json").read_bytes()
    assert one == two
    assert len(one) < 0.5 * len(gzip.decompress(one))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        TABLE.save(folder / "table.json")
    assert folder.read_text() == "in the way"


def test_a_table_s_rows_are_looked_up_by_kernel() -> None:
    assert isinstance(TABLE, LatencyTable)
    assert TABLE.kernels == {row.kernel: row.time for row in TABLE.rows}
