"""From a profile to a verified table on the page of a run, through the command line, on a narrow network."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
from pathlib import Path

import pytest

from autoprune.cli import main
from autoprune.tables.reading import read_table

SPEC = """
name = "narrow"
[model]
name = "narrow:narrow_net"
[task]
name = "digits"
calibration = 128
validation = 64
selection = 64
[device]
seconds = 1
batch = 64
[search]
budgets = ["latency=0.9x"]
agent = "random"
trials = 3
finalists = 1
reward = "kl"
"""


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the narrow network at a batch of 2, measured on the first processor at hand."""
    path = tmp_path_factory.mktemp("tables") / "table.json"
    core = min(os.sched_getaffinity(0))
    arguments = ["--model", "narrow:narrow_net", "--input", "2,1,8,8", "--seconds", "0.5", "--affinity", str(core)]
    assert main(["profile", *arguments, "--out", str(path)]) == 0
    return path


def test_affinity_is_part_of_the_fingerprint_and_on_the_screen(
    profiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    core = min(os.sched_getaffinity(0))
    assert read_table(profiled).fingerprint.affinity == (core,)
    assert main(["tables", "show", str(profiled)]) == 0
    assert f"1 thread on processors {core}" in capsys.readouterr().out


@pytest.mark.parametrize("cores", ["x", "0,", "0,0", "-1"])
def test_an_affinity_that_names_no_processors_is_refused(cores: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "narrow:narrow_net", "--input", "1,1,8,8", "--out", "x.json", f"--affinity={cores}"]
    assert main(["profile", *arguments]) == 2
    assert "affinity" in capsys.readouterr().err


def test_profile_ends_with_what_it_found_and_the_next_command(
    profiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "narrow:narrow_net", "--input", "2,1,8,8", "--seconds", "0.5"]
    arguments += ["--affinity", str(min(os.sched_getaffinity(0)))]
    assert main(["profile", *arguments, "--out", str(profiled), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["groups"] == 7
    assert 2 <= found["offered_widths"] <= found["measured_widths"]
    assert found["rows"] == len(read_table(profiled).rows)
    assert main(["profile", *arguments, "--out", str(profiled)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "(7 channel groups)" in out
    assert f"autoprune tables verify {profiled} --model narrow:narrow_net --input 2,1,8,8" in out


def test_verify_answers_in_words_and_keeps_the_result(profiled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "tables",
        "verify",
        str(profiled),
        "--model",
        "narrow:narrow_net",
        "--input",
        "2,1,8,8",
        "--networks",
        "3",
    ]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert re.match(r"\d of 3 networks within 5%[,;] the noise floor of this run is \d+\.\d%", out)
    assert all(word in out for word in ("rank correlation", "machine's speed", "each network measured twice"))
    [network] = read_table(profiled).networks.values()
    assert network.verification is not None
    assert network.verification.networks == 3
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) >= {
        *("networks", "mape", "max_error", "within_5pct", "within_10pct", "rank_correlation", "noise_floor", "rows")
    }
    assert len(found["rows"]) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--model NAME, or --spec"),
        (["--model", "m", "--spec", "s.toml"], "--model NAME, or --spec"),
        (["--spec", "s.toml", "--input", "1,1,8,8"], "leave out --weights and --input"),
        (["--spec", "nowhere.toml"], "nowhere.toml: no such file"),
        (["--model", "narrow:narrow_net", "--input", "1,1,8,8"], "does not hold this network at this input"),
        (["--model", "narrow:narrow_net"], "add --input"),
    ],
    ids=["neither", "both", "spec and input", "no spec", "another batch", "no input"],
)
def test_what_cannot_be_verified_is_refused(
    arguments: list[str], says: str, profiled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = profiled.read_bytes()
    assert main(["tables", "verify", str(profiled), *arguments]) == 2
    assert says in capsys.readouterr().err
    assert profiled.read_bytes() == before


def test_the_page_of_a_run_says_how_to_verify_and_then_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spec.toml").write_text(SPEC)
    assert main(["run", "spec.toml", "--out", "my run"]) == 0
    assert "have not been checked" in capsys.readouterr().out
    page = Path("my run/report.html")
    block = re.search(r"<pre><code>(autoprune tables verify .*?)</code></pre>", page.read_text(), re.DOTALL)
    assert block is not None
    verify, report = (shlex.split(line)[1:] for line in html.unescape(block[1]).splitlines())

    assert main([*verify, "--networks", "3"]) == 0
    assert main(report) == 0
    assert "of 3 networks within 5%" in capsys.readouterr().out
    line = json.loads(Path("my run/report.json").read_text())["table"]
    assert line["path"] == "my run/table.json"
    assert len(line["verification"]["rows"]) == 3
    text = page.read_text()
    assert 'aria-label="Predicted against measured latency' in text
    assert "autoprune tables verify" not in text

    Path("my run/table.json").unlink()  # what the report holds stays
    assert main(report) == 0
    assert json.loads(Path("my run/report.json").read_text())["table"] == line
