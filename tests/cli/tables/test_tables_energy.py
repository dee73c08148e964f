from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from table_example import example_rows, example_table

from autoprune.cli import main
from autoprune.cost import Kernel, Measurement
from autoprune.profiler.energy.energy_model import EnergyModel

STRANGE = Kernel("LSTM", ((6, 1, 8),), ((6, 1, 5),))
MEASURED = EnergyModel("measured", 2.0, 30.0, 5.0, meter="rapl", networks=12, error=0.023)


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["tables", *map(str, arguments)]) == 0
    return capsys.readouterr().out


@pytest.fixture(params=["modelled", "measured"])
def table_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    energy = MEASURED if request.param == "measured" else EnergyModel.modelled("no meter here")
    rows = {**example_rows(), STRANGE: Measurement(1.0, 0.1, 3)}
    replace(example_table(rows), energy=energy).save(tmp_path / f"{request.param}.json")
    return tmp_path / f"{request.param}.json"


def test_a_table_says_how_its_energy_came_about(table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(capsys, "show", table_file).split())
    if table_file.stem == "measured":
        assert "measured: 2 pJ a MAC, 30 pJ a byte, 5 W static, by rapl on 12 networks, held-out error 2.3%" in text
    else:
        assert "modelled: 4.6 pJ a MAC, 160 pJ a byte (Horowitz, ISSCC 2014); not measured: no meter here" in text


def test_every_kernel_is_listed_with_its_energy_under_its_label(
    table_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, "show", table_file, "--kernels")
    assert f"mJ ({table_file.stem})" in text
    [strange] = [line for line in text.splitlines() if "LSTM" in line]
    assert "–" in strange


@pytest.mark.parametrize("flags", [(), ("--kernels",)])
def test_rows_in_json_have_their_energy_or_null(
    table_file: Path, flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = json.loads(shown(capsys, "show", table_file, *flags, "--json"))
    rows = answer if flags else answer["rows"]
    energy = {row["op"]: row["energy_mj"] for row in rows}
    assert energy["LSTM"] is None
    assert all(value > 0 for op, value in energy.items() if op != "LSTM")
    if not flags:
        assert answer["energy"]["source"] == table_file.stem
