from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from table_example import example_table

from autoprune.cli import main
from autoprune.cli.flags import FLAGS, input_shape, read_spec
from autoprune.cli.output import show_report
from autoprune.cli.progress import Lines, listening
from autoprune.cost import Kernel, Measurement
from autoprune.deploy.report.document import Report
from autoprune.errors import BadInput
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.written import document
from autoprune.searchers.agents import find_agents
from autoprune.spec import AgentSpec, RunSpec
from autoprune.tables.installed import find_tables
from autoprune.tables.reading import read_table

COMMANDS = [
    *("profile", "search", "apply", "run", "compare", "sensitivity", "report"),
    *("tables", "agents", "criteria", "recipes"),
]
SPEC = """
name = "small"
[model]
name = "digits_cnn"
options = {width = 8}
[task]
name = "digits"
validation = 300
[search]
budgets = ["latency=0.5x", "macs=0.9x"]
trials = 7
"""


def given(**values: object) -> dict[str, object]:
    return {flag.argument: values.get(flag.argument) for flag in FLAGS}


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    heavy = "torch onnxruntime numpy pydantic matplotlib scipy optuna stable_baselines3 jinja2"
    code = (
        "import sys; from autoprune.cli import main; status = main(['--help'])\n"
        f"print('HEAVY', [m for m in {heavy.split()!r} if m in sys.modules]); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "HEAVY []" in done.stdout
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", done.stdout)


@pytest.mark.parametrize(
    "command", [["run"], ["search"], ["profile"], ["apply"], ["report"], ["compare"], ["sensitivity"]]
)
def test_every_command_offers_json_and_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_criteria_are_listed_with_what_they_need_and_where_they_are_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["criteria", "list", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert len(found) == 29
    assert found["taylor"]["needs"] == ["gradients", "labels"]
    assert all(one["summary"] and one["source"] and one["family"] for one in found.values())
    assert main(["criteria", "list"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in found)


def test_a_criterion_that_there_is_not_is_told_before_anything_is_made(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("run", "search", "compare", "sensitivity"):
        out = tmp_path / command
        assert main([command, str(spec_file), "--criterion", "tailor", "--out", str(out)]) == 2
        assert "did you mean 'taylor'" in capsys.readouterr().err
        assert not out.exists()


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Commands" in capsys.readouterr().out


def table(kernels: dict[str, float], **fingerprint: Any) -> LatencyTable:
    """A table of kernels by operator name, of a device that no test runs on."""
    shape = ((1, 4, 8, 8),)
    rows = {Kernel(op, shape, shape): Measurement(ms, 0.01, 5) for op, ms in kernels.items()}
    made = example_table(rows)
    return dataclasses.replace(made, fingerprint=dataclasses.replace(made.fingerprint, **fingerprint))


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    path = tmp_path / "from-afar.json"
    table({"Conv": 1.0, "Gemm": 0.5}).save(path)
    return path


BAD_INPUT = [
    (["frobnicate"], "No such command 'frobnicate'"),
    (["tables"], "Missing command"),
    (["run", "--trials", "many"], "Invalid value for '--trials'"),
    (["run", "--frob"], "No such option: --frob"),
    (["profile", "--model", "m"], "Missing option '--input'"),
    (["run"], "no model given; add --model"),
    (["run", "--model", "m"], "no task given; add --task"),
    (["search", "--model", "m", "--task", "digits"], "no budget given; add --budget"),
    (["search", "--model", "m", "--task", "digits", "--floor", "0.9"], "a floor needs one cost to minimise"),
    (["search", "--model", "m", "--task", "digits", "--floor", "high", "--minimise", "macs"], "a floor reads SCORE"),
    (["search", "--model", "m", "--task", "digits", "--also", "t.json"], "another device reads TABLE:BUDGET"),
    (["run", "--model", "digits_cnn", "--task", "digits", "--pareto"], "a front alone chooses no network"),
    (["retarget", "nowhere", "--budget", "macs=0.5x"], "nowhere is no run's folder"),
    (["run", "nowhere.toml"], "nowhere.toml: no such file"),
    (["run", "--model", "m", "--task", "digits", "--budget", "speed=0.5x"], "unknown budget metric 'speed'"),
    (["run", "--model", "m", "--task", "digits", "--budget", "macs=0.5x", "--trials", "0"], "search.trials"),
    (["run", "--model", "m", "--task", "digits", "--budget", "macs=0.5x", "--reward", "joy"], "unknown reward"),
    (["run", "--model", "m", "--task", "digits", "--budget", "macs=0.5x", "--name", "../up"], "name: String should"),
    (["agents", "show", "nobody"], "unknown agent 'nobody'"),
    (
        ["search", *["--model", "digits_cnn", "--task", "digits", "--budget", "macs=0.5x", "--warm-start", "nobody"]],
        "unknown agent 'nobody'",
    ),
    (["agents", "show", "nowhere.toml"], "nowhere.toml: no such file"),
    (["tables", "show", "nowhere.json"], "nowhere.json: no such latency table"),
    (["tables", "import", "nowhere.json", "--to", "here.json"], "nowhere.json: no such latency table"),
    (["tables", "verify", "nowhere.json", "--model", "m"], "nowhere.json: no such latency table"),
    (["tables", "verify", "nowhere.json", "--model", "m", "--networks", "1"], "Invalid value for '--networks'"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD_INPUT, ids=[" ".join(a) for a, _ in BAD_INPUT])
def test_bad_input_is_one_or_two_lines_and_exit_code_2(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert says in captured.err
    assert len(captured.err.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--debug", "run", "nowhere.toml"], ["run", "nowhere.toml", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback (most recent call last)" in error
    assert error.endswith("error: nowhere.toml: no such file\n")


def test_flags_alone_make_a_spec() -> None:
    spec = read_spec(None, given(model="resnet18", task="digits", budget=["latency=8ms"], trials=5))
    assert (spec.model.name, spec.search.trials, str(spec.search.budgets[0])) == ("resnet18", 5, "latency=8")
    assert spec == RunSpec.parse(
        {
            "model": {"name": "resnet18"},
            "task": {"name": "digits"},
            "search": {"budgets": ["latency=8ms"], "trials": 5},
        }
    )


def test_a_spec_without_flags_is_itself(spec_file: Path) -> None:
    assert read_spec(spec_file, given()) == RunSpec.load(spec_file)


FLAG_VALUES: dict[str, Any] = {
    "--name": "other",
    "--model": "resnet20",
    "--weights": Path("w.safetensors"),
    "--task": "cifar10",
    "--data": Path("images"),
    "--budget": ["macs=0.3x"],
    "--floor": "dense-0.01",
    "--minimise": ["latency"],
    "--pareto": True,
    "--levels": 5,
    "--criterion": "taylor",
    "--keep": ["stem", "layer1.*"],
    "--also": ["phone.json:latency=0.6x"],
    "--agent": "amc-ddpg",
    "--warm-start": "knapsack",
    "--trials": 11,
    "--seed": 3,
    "--reward": "R_err",
    "--table": Path("t.json"),
    "--allow-foreign-table": True,
    "--provider": "cuda",
    "--threads": 2,
    "--affinity": "0,3",
    "--batch": 4,
    "--seconds": 9.5,
    "--finetune-epochs": 2,
}


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.option)
def test_each_flag_sets_its_field_and_no_other(flag: Any, spec_file: Path) -> None:
    value = FLAG_VALUES[flag.option]
    expected = RunSpec.load(spec_file).model_dump(mode="json")
    if flag.option in ("--floor", "--minimise"):  # each needs the other
        spec_file.write_text(SPEC + 'floor = "0.5"\nminimise = "macs"\n')
        expected = RunSpec.load(spec_file).model_dump(mode="json")
    *sections, field = flag.field
    place = expected[sections[0]] if sections else expected
    place[field] = value
    assert read_spec(spec_file, given(**{flag.argument: value})) == RunSpec.parse(expected)


def test_the_flags_reach_the_spec_through_the_command_line(spec_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The validator's message quotes the value that came through.
    assert main(["run", str(spec_file), "--budget", "macs=0.5x", "--budget", "macs=0.4x"]) == 2
    assert "macs=0.5x, macs=0.4x" in capsys.readouterr().err


def test_a_mistake_in_a_spec_names_file_field_and_value(spec_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec_file.write_text(SPEC.replace("trials = 7", "trails = 7"))
    assert main(["search", str(spec_file)]) == 2
    error = capsys.readouterr().err
    assert str(spec_file) in error
    assert "search.trails" in error


def test_a_section_that_is_none_is_named(spec_file: Path) -> None:
    spec_file.write_text('model = "resnet18"\ntask = {name = "digits"}\nsearch = {budgets = ["macs=0.5x"]}\n')
    with pytest.raises(BadInput, match="model: Input should be a valid dictionary"):
        read_spec(spec_file, given(weights=Path("w.safetensors")))


def test_input_shape_is_batch_first() -> None:
    assert input_shape("1,3,224,224") == (1, 3, 224, 224)
    assert input_shape("8, 64") == (8, 64)


@pytest.mark.parametrize("text", ["", "3", "1,3,x", "1,0,4", "1,-3,4", "1,,4", "1.5,2", "1x3x4"])
def test_what_is_no_input_shape_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--input reads N,C,H,W"):
        input_shape(text)


def test_agents_list_answers_with_every_agent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agents", "list", "--json"]) == 0
    captured = capsys.readouterr()
    listed = [AgentSpec.model_validate(agent) for agent in json.loads(captured.out)]
    assert listed == list(find_agents().values())
    assert captured.err == ""
    assert main(["agents", "list"]) == 0
    shown = capsys.readouterr().out
    assert all(agent.name in shown and agent.summary in shown for agent in listed)


def test_agents_show_takes_a_name_or_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nsearcher = "random"\nsummary = "As [it] comes."\nsource = "me"\n')
    assert main(["agents", "show", str(path), "--json"]) == 0
    assert AgentSpec.model_validate_json(capsys.readouterr().out) == AgentSpec.load(path)
    assert main(["agents", "show", str(path)]) == 0
    assert "As [it] comes." in capsys.readouterr().out


def test_tables_list_answers_with_every_installed_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(Path(t["path"]), t["kernels"]) for t in listed] == [(p, len(t.rows)) for p, t in find_tables().items()]
    assert main(["tables", "list"]) == 0
    shown = capsys.readouterr().out
    assert all(t["name"] in shown for t in listed)


def test_tables_show_prints_the_whole_table_as_json(table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "show", str(table_file), "--json"]) == 0
    shown, held = json.loads(capsys.readouterr().out), json.loads(json.dumps(document(read_table(table_file))))
    networks = held.pop("networks")
    assert {key: shown[key] for key in held if key != "rows"} == {key: held[key] for key in held if key != "rows"}
    for row, shown_row in zip(held["rows"], shown["rows"], strict=True):
        assert {key: shown_row[key] for key in row} == row
    for digest, network in networks.items():
        assert {key: shown["networks"][digest][key] for key in network} == network


def test_tables_show_names_device_and_networks(table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", "show", str(table_file)]) == 0
    out = capsys.readouterr().out
    assert all(part in out for part in ("Example CPU", "onnxruntime 1.0", "small", "0.01"))


def test_tables_import_copies_and_then_merges(table_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = table_file.parent / "installed" / "table.json"
    assert main(["tables", "import", str(table_file), "--to", str(place), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kernels"] == 2
    assert read_table(place) == read_table(table_file)

    table({"Gemm": 0.7, "Relu": 0.1}).save(table_file)
    assert main(["tables", "import", str(table_file), "--to", str(place)]) == 0
    assert {row.op: row.ms for row in read_table(place).rows} == {"Conv": 1.0, "Gemm": 0.7, "Relu": 0.1}


@pytest.mark.parametrize("given_name", ["mine.json", "mine.json.gz"])
@pytest.mark.parametrize("there", [None, "mine.json", "mine.json.gz"])
def test_a_table_is_imported_among_those_of_its_device_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_name: str, there: str | None
) -> None:
    installed = tmp_path / "latency_tables"
    monkeypatch.setattr("autoprune.data_files.data_folder", lambda name: tmp_path / name)
    if there is not None:
        table({"Conv": 1.0}).save(installed / "example-cpu-x86-64" / there)
    table({"Gemm": 0.5}).save(tmp_path / given_name)
    assert main(["tables", "import", str(tmp_path / given_name)]) == 0
    [path] = [path for path in installed.rglob("*") if path.is_file()]
    assert path == installed / "example-cpu-x86-64" / (there or "mine.json")
    assert {row.op for row in read_table(path).rows} == ({"Gemm"} if there is None else {"Conv", "Gemm"})


@pytest.mark.parametrize("broken", ["another device", "a broken file"])
def test_a_table_that_cannot_be_imported_leaves_the_old_one(
    table_file: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = table_file.parent / "table.json"
    table({"Conv": 2.0}).save(place)
    before = place.read_bytes()
    if broken == "another device":
        table({"Conv": 1.0}, threads=4).save(table_file)
    else:
        table_file.write_text(table_file.read_text().replace("0.5", "0.6"))
    assert main(["tables", "import", str(table_file), "--to", str(place)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert place.read_bytes() == before


def network(score: float, latency_ms: float) -> dict[str, Any]:
    return {
        "score": score,
        "score_ci95": [score - 0.02, score + 0.02],
        "macs": int(latency_ms * 1e7),
        "params": 1000,
        "latency_ms": {"predicted": latency_ms, "measured": latency_ms, "spread": 0.1},
        "energy_mj": None,
    }


def test_a_report_is_shown_with_its_verdict_budgets_numbers_and_page(capsys: pytest.CaptureFixture[str]) -> None:
    found = Report.model_validate(
        {
            "schema": "autoprune.report/1",
            "model": "m[0]",
            "task": "digits",
            "metric": "accuracy",
            "device": {},
            "budgets": [{"metric": "latency", "limit": 0.45, "relative": True}],
            "dense": network(0.97, 8.0),
            "pruned": network(0.95, 4.0),
            "finetuned": None,
            "search": {"agent": "random", "seed": 0, "trials": 4, "seconds": 2.0, "trials_per_second": 2.0},
            "policy": {"conv1": 4},
        }
    )
    show_report(found, Path("runs/[x]/report.html"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0.50× the latency (measured), accuracy 95.0% (dense 97.0%)"
    assert lines[1] == "budget: latency at most 0.45× the dense network's: not kept: 0.500×, measured, 11% over"
    assert lines[-1] == "report: runs/[x]/report.html"
    assert lines[2].split() == ["Dense", "Pruned"]
    assert ["accuracy", "97.0%", "95.0%"] in [line.split() for line in lines]
    assert ["MACs", "80.00", "M", "40.00", "M"] in [line.split() for line in lines]
    assert ["measured", "±", "0.10", "ms", "±", "0.10", "ms"] in [line.split() for line in lines]


def test_a_reader_that_leaves_early_is_no_failure_to_talk_about() -> None:
    code = "import sys; from autoprune.cli import main; sys.exit(main(['agents', 'list', '--json']))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("command", "says"), [("search", "to resume"), ("profile", "to resume"), ("apply", "to start over")]
)
def test_ctrl_c_is_one_line_that_says_how_to_go_on(command: str, says: str) -> None:
    code = (
        "import os, signal, sys\n"
        "from autoprune.cli import main\n"
        "from autoprune.cli.app import app\n"
        f"@app.command({command!r})\n"
        "def wait(name: str) -> None:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.exit(main([{command!r}, 'a name']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("interrupted")
    assert line.endswith(f"{says} type again: autoprune {command} 'a name'")


def test_what_libraries_print_while_working_stays_off_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as progress, progress.stage("trace"):
        print("a library says hello")
        progress.advance(1, 2, "one")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("trace: ...\na library says hello\ntrace: done in ")


def test_a_stage_that_fails_is_not_called_done(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with Lines().stage("measure"):
            raise BadInput("no such provider")

    with pytest.raises(BadInput):
        fail()
    assert capsys.readouterr().err == "measure: ...\n"
