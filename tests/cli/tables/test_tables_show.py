from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from table_example import digest, example_network, example_rows, example_table
from verified_example import example_verification

from autoprune.cli import main
from autoprune.cost import Kernel, Measurement
from autoprune.tables import installed
from autoprune.tables.words import verdict

SLOW = {**example_rows(), Kernel("Relu", ((1, 16),), ((1, 16),)): Measurement(2.0, 0.01, 5)}


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    """A table whose group `inner` is slower at 16 channels than at 24."""
    path = tmp_path / "table.json"
    example_table(SLOW).save(path)
    return path


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["tables", *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["tables", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) <= 2
    return captured.err


@pytest.fixture
def tables_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `tables` looks into for what is installed."""
    folder = tmp_path / "latency_tables"
    folder.mkdir()
    monkeypatch.setattr(installed, "data_folder", lambda _: folder)
    return folder


def test_list_names_device_and_networks_with_batch_and_share_verified(
    tables_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataclasses.replace(example_network("wide"), input_shape=(8, 3))
    both = example_table(networks={digest(): example_network(), "f" * 16: other})
    checked = both.verified(digest(), example_verification((0.01, 0.02, 0.2)))
    checked.save(tables_folder / "example-cpu" / "one.json.gz")
    lines = shown(capsys, "list").splitlines()
    assert lines[0] == "example-cpu/one"
    assert lines[1].strip() == "Example CPU, 1 thread, onnxruntime 1.0, 2026-01-01, 10 kernels"
    assert lines[2].split() == ["small", "1×3", "2", "of", "3", "unseen", "networks", "within", "5%"]
    assert lines[3].split() == ["wide", "8×3", "not", "verified"]
    [listed] = json.loads(shown(capsys, "list", "--json"))
    assert [(n["name"], n["input_shape"], n["within_5pct"]) for n in listed["networks"]] == [
        ("small", [1, 3], pytest.approx(2 / 3)),
        ("wide", [8, 3], None),
    ]


def test_list_of_nothing_says_how_to_get_a_table(tables_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(tables_folder.iterdir()) == []
    assert "autoprune profile" in shown(capsys, "list")
    assert json.loads(shown(capsys, "list", "--json")) == []


def test_show_takes_an_installed_name_and_knows_near_ones(
    tables_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example_table().save(tables_folder / "example-cpu" / "one.json")
    assert str(tables_folder / "example-cpu" / "one.json") in shown(capsys, "show", "example-cpu/one")
    assert "did you mean example-cpu/one?" in refused(capsys, "show", "example-cpu/on")
    assert "zebra: no such latency table" in refused(capsys, "show", "zebra")


def test_one_broken_table_does_not_hide_the_others(tables_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example_table().save(tables_folder / "example-cpu" / "one.json")
    (tables_folder / "example-cpu" / "two.json.gz").write_bytes(gzip.compress(b"{}")[:-3])
    assert "Example CPU" in shown(capsys, "show", "example-cpu/one")
    assert "two.json.gz" in refused(capsys, "show", "example-cpu/two")
    assert "two.json.gz" in refused(capsys, "list")


def test_show_tells_device_conditions_drift_and_how_to_verify(
    table_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(capsys, "show", table_file)
    for part in (
        *("Example CPU", "x86_64", "4 logical cores", "avx2 fma", "1 thread on any processor"),
        *("load 0.5", "CPU governor performance", "timed 40 times", "1.0%: how much the machine's speed changed"),
        *("2.00 µs a kernel", "small, input 1×3", "4 of 5 widths are worth offering (2 channel groups)"),
        *("1.0000 +0.0100 ln(s / 3.35 ms)", "mean error 1.0% on the 20 networks", "0.0% of the kernels looked up"),
        f"not yet: autoprune tables verify {table_file} --model small --input 1,3",
    ):
        assert part in out, part
    [inner] = [line.split() for line in out.splitlines() if line.startswith("inner ")]
    assert inner == ["inner", "24", "3", "2", "8", "24"]


def test_show_of_a_verified_network_has_its_figures(table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = example_verification((0.01, 0.2), noise=0.02)
    example_table(SLOW).verified(digest(), found).save(table_file)
    out = shown(capsys, "show", table_file)
    assert verdict(found) in out
    assert all(part in out for part in ("mean 10.5%, largest 20.0%", "1 of 2", "rank correlation", "mean 2.0%"))
    assert "not yet" not in out


def test_groups_are_listed_for_one_network_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.json"
    example_table(networks={digest(): example_network(), "f" * 16: example_network("other")}).save(path)
    assert "channel group  " not in shown(capsys, "show", path)
    one = shown(capsys, "show", path, "--network", "other")
    assert "channel group  " in one
    assert "small, input" not in one
    assert list(json.loads(shown(capsys, "show", path, "--network", "other", "--json"))["networks"]) == ["f" * 16]


def test_a_table_of_kernels_only_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "kernels.json"
    example_table(networks={}).save(path)
    assert "holds no network" in shown(capsys, "show", path)
    assert json.loads(shown(capsys, "show", path, "--json"))["networks"] == {}
    assert "it has none" in refused(capsys, "show", path, "--layer", "inner")


def test_json_has_all_of_the_table_and_what_can_be_read_from_it(
    table_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(shown(capsys, "show", table_file, "--json"))
    written = json.loads(table_file.read_text())
    network = content["networks"].pop(digest())
    held = written["networks"].pop(digest())
    assert network.items() >= held.items()
    kernels = {(row["op"], str(row["inputs"])): row["ms"] for row in content["rows"]}
    assert kernels == {(row["op"], str(row["inputs"])): row["ms"] for row in written["rows"]}
    assert all(content[key] == written[key] for key in ("fingerprint", "conditions", "reference", "created"))
    assert (network["offered_widths"], network["measured_widths"]) == (4, 5)
    assert network["coverage"] == {"measured": 1.0, "interpolated": 0.0, "unknown": 0.0}
    assert [step["worth_offering"] for step in network["stairs"]["inner"]] == [True, False, True]


def test_layer_draws_a_bar_a_width_and_marks_the_stairs(table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "show", table_file, "--layer", "inner").splitlines()
    bars = {line.split()[0]: line for line in lines if line[:1].isdigit() or line[:2].strip().isdigit()}
    assert list(bars) == ["24", "16", "8"]
    assert ["◆" in line for line in bars.values()] == [True, False, True]
    assert any("2 of 3 widths are worth offering" in line for line in lines)
    content = json.loads(shown(capsys, "show", table_file, "--layer", "inner", "--json"))
    assert (content["network"], content["group"], content["plot"]) == ("small", "inner", None)
    assert [step["ms"] for step in content["steps"]] == pytest.approx([1.35, 3.0, 2.85])


def test_a_width_without_a_time_is_null_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "table.json"
    example_table({k: t for k, t in example_rows().items() if k.op != "ReorderInput"}).save(path)
    steps = json.loads(shown(capsys, "show", path, "--layer", "inner", "--json"))["steps"]
    assert [step["ms"] is None for step in steps] == [True, False, True]
    assert "not known" in shown(capsys, "show", path, "--layer", "inner")


@pytest.mark.parametrize("name", ["stairs.svg", "stairs.png"])
def test_plot_writes_a_picture(name: str, table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = table_file.parent / name
    content = json.loads(shown(capsys, "show", table_file, "--layer", "inner", "--plot", picture, "--json"))
    assert content["plot"] == str(picture)
    if name.endswith(".svg"):
        text = picture.read_text()
        assert "channels kept in inner (small at 1×3)" in text
        assert "worth offering" in text
    else:
        with Image.open(picture) as image:
            assert min(image.size) > 400
    assert [path.name for path in table_file.parent.iterdir()].count(name) == 1


def test_kernels_are_listed_with_the_slowest_first(table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "show", table_file, "--kernels").splitlines()
    rows = [line.split() for line in lines[1 : 1 + len(SLOW)]]
    times = [float(row[0]) for row in rows]
    assert times == sorted(times, reverse=True)
    assert len(times) == len(SLOW)
    assert "1×32 16×32 → 1×16" in lines[1]
    content = json.loads(shown(capsys, "show", table_file, "--kernels", "--json"))
    assert [row["ms"] for row in content] == pytest.approx(times)
    assert content[0].items() >= {"op": "Conv.nchwc", "visits": 5, "runs": 50}.items()


BAD: list[tuple[list[Any], str]] = [
    (["--layer", "iner"], "did you mean inner?"),
    (["--layer", "zebra"], "it has inner, outer"),
    (["--network", "smal"], "did you mean small?"),
    (["--layer", "inner", "--network", "zebra"], "no network 'zebra'"),
    (["--plot", "x.svg"], "say which with --layer"),
    (["--layer", "inner", "--plot", "x.pdf"], "ends with .svg or .png"),
    (["--layer", "inner", "--plot", "table.json/x.svg"], "cannot be written"),
    (["--kernels", "--layer", "inner"], "leave out --layer"),
    (["--kernels", "--network", "small"], "leave out --layer and --network"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD, ids=[" ".join(a) for a, _ in BAD])
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_bad_input_is_told_in_a_line_or_two(
    arguments: list[str],
    says: str,
    as_json: list[str],
    table_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(table_file.parent)
    assert says in refused(capsys, "show", table_file, *arguments, *as_json)
    assert [path.name for path in table_file.parent.iterdir()] == ["table.json"]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_lines_are_no_longer_than_the_terminal(
    columns: int, table_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # taken for a terminal
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "25")
    out = shown(capsys, "show", table_file, "--layer", "inner")
    bars = [line for line in out.splitlines() if " ± " in line]
    assert len(bars) == 3
    assert max(map(len, bars)) <= columns
