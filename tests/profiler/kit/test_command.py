"""The kit on its device: a virtual environment with numpy and onnxruntime, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import onnxruntime as ort
import pytest
from small_networks import small_blueprint, small_model, small_space

from autoprune.cli import main as cli
from autoprune.copies.family import skeleton_of
from autoprune.device import Device
from autoprune.profiler.kit import command
from autoprune.profiler.kit.command import PLAN_FILE, KitPlan
from autoprune.profiler.kit.packed import PackedNetworks
from autoprune.profiler.plan.blueprint import units_of
from autoprune.profiler.runtime.skeleton import Skeleton
from autoprune.space import Policy, SearchSpace
from autoprune.tables.reading import read_table

NEEDED = (f"numpy=={np.__version__}", f"onnxruntime=={ort.__version__}")
EXPORT = ["profile", "--model", "digits_cnn", "--input", "2,1,8,8"]
PLAN = KitPlan(Device(), seconds=1.0, seed=0, verification=6, numpy=np.__version__)
BARE = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has numpy and onnxruntime, with what these need, and nothing else; skips where pip gets neither."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *NEEDED]
    done = subprocess.run(install, capture_output=True, text=True, env=BARE)
    if done.returncode:
        pytest.skip(f"pip cannot install {' '.join(NEEDED)}: {done.stderr.strip().splitlines()[-1]}")
    return python


def run(python: Path, path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), path.name, *flags]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=300, env=BARE)


def space() -> SearchSpace:
    """The small network's groups, with more widths than a profile looks at."""
    return small_space().with_widths([range(2, 33, 2), range(4, 49, 4)])


def skeleton(policy: Policy) -> Skeleton:
    return skeleton_of(small_model(*units_of(space(), policy)))


def small_kit(folder: Path, plan: KitPlan = PLAN, **changed: Skeleton | None) -> Path:
    """The data of a kit (its code is that of the process), with the `last` network as told; None leaves it out."""
    skeletons = {policy: skeleton(policy) for policy in plan.policies(small_blueprint(space()))}
    for policy in list(skeletons)[-len(changed) :] if changed else []:
        [other] = changed.values()
        if other is None:
            del skeletons[policy]
        else:
            skeletons[policy] = other
    path = folder / "small.pyz"
    with ZipFile(path, "w") as archive:
        for name, content in PackedNetworks(small_blueprint(space()), skeletons).files().items():
            archive.writestr(name, content)
        archive.writestr(PLAN_FILE, plan.to_json())
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kit as a user exports it."""
    path = tmp_path_factory.mktemp("exported") / "kit.pyz"
    assert cli([*EXPORT, "--export-kit", str(path), "--seconds", "1"]) == 0
    return path


@pytest.fixture
def carried(exported: Path, tmp_path: Path) -> Path:
    """The exported kit on its device."""
    path = tmp_path / "device" / "kit.pyz"
    path.parent.mkdir()
    path.write_bytes(exported.read_bytes())
    return path


def test_a_bare_device_writes_a_table_that_is_taken_in(
    carried: Path, bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = subprocess.run([bare, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, env=BARE)
    installed = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert not installed & {"autoprune", "torch", "onnx", "pydantic", "scipy"}

    done = run(bare, carried, "--networks", "3")
    assert (done.returncode, "measuring unseen networks" in done.stderr) == (0, True), done.stderr
    assert "3 unseen networks: mean error" in done.stdout
    assert {path.name for path in carried.parent.iterdir()} == {"kit.pyz", "table.json"}

    table = read_table(carried.parent / "table.json")
    [network] = table.networks.values()
    assert (network.name, network.input_shape) == ("digits_cnn", (2, 1, 8, 8))
    assert network.verification is not None
    assert network.verification.networks == len(network.verification.rows) == 3

    place = tmp_path / "tables" / "device.json"
    for _ in range(2):
        capsys.readouterr()
        assert cli(["tables", "import", str(carried.parent / "table.json"), "--to", str(place), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kernels"] == len(table.rows)
    assert read_table(place).networks.keys() == table.networks.keys()


def test_a_killed_run_and_an_interrupted_one_are_gone_on_with(carried: Path, bare: Path) -> None:
    journal, table = carried.parent / "table.json.journal", carried.parent / "table.json"
    killed = _stopped(bare, carried, journal, signal.SIGKILL, lines=4)
    assert killed.returncode == -signal.SIGKILL
    kept = journal.read_bytes()

    interrupted = _stopped(bare, carried, journal, signal.SIGINT, lines=kept.count(b"\n") + 4)
    assert interrupted.returncode == 130
    assert interrupted.stderr.splitlines()[0] == "going on with what table.json.journal holds"
    assert interrupted.stderr.splitlines()[-1].startswith("interrupted; type the same again to go on: python kit.pyz")
    whole = kept[: kept.rfind(b"\n") + 1]
    assert journal.read_bytes().startswith(whole)
    assert not table.exists()

    done = run(bare, carried, "--networks", "0")
    assert done.returncode == 0, done.stderr
    assert not journal.exists()
    [network] = read_table(table).networks.values()
    assert network.verification is None


def _stopped(
    python: Path, path: Path, journal: Path, how: signal.Signals, *, lines: int
) -> subprocess.CompletedProcess[str]:
    """A run that is sent the signal `how` as soon as its journal has so many `lines`."""
    command = [str(python), path.name, "--networks", "0"]
    with subprocess.Popen(command, cwd=path.parent, stderr=subprocess.PIPE, text=True, env=BARE) as process:
        deadline = time.monotonic() + 120
        while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
            assert process.poll() is None, "the run ended before it could be stopped"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(how)
        _, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, None, errors)


def test_a_damaged_kit_says_so(carried: Path) -> None:
    with ZipFile(carried) as archive:
        entry = archive.getinfo("networks.json")
    content = bytearray(carried.read_bytes())
    content[entry.header_offset + 100] ^= 0xFF
    carried.write_bytes(content)
    done = run(Path(sys.executable), carried)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the kit is damaged")
    assert len(done.stderr.splitlines()) == 1


def test_a_device_without_the_packages_is_told_what_to_install(carried: Path) -> None:
    command = [sys.executable, "-S", carried.name]
    done = subprocess.run(command, cwd=carried.parent, capture_output=True, text=True, env=BARE)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: No module named 'numpy'; the kit needs two packages: python -m pip install numpy onnxruntime"
    ]


def test_help_says_what_it_does_and_its_defaults(carried: Path) -> None:
    done = run(Path(sys.executable), carried, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    assert "Time the kernels of digits_cnn (input 2,1,8,8)" in text
    for flag, default in {"--out": "table.json", "--threads": "1", "--seconds": "1", "--networks": "12"}.items():
        assert f"[{default}]" in text.partition(f" {flag} ")[2].partition("]")[0] + "]", flag


WRONG: list[tuple[list[str], str]] = [
    (["--frob"], "unrecognized arguments: --frob"),
    (["--sec", "3"], "unrecognized arguments: --sec 3"),
    (["--seconds", "nan"], "--seconds: must be a positive number, got 'nan'"),
    (["--seconds", "0"], "--seconds: must be a positive number, got '0'"),
    (["--threads", "many"], "--threads: invalid int value: 'many'"),
    (["--threads", "0"], "threads must be at least 1, got 0"),
    (["--provider", "tpu"], "provider must be one of cpu, cuda, got 'tpu'"),
    (["--affinity", "0-3"], "--affinity: must be processors' numbers, as in 0,1; got '0-3'"),
    (["--affinity", "1,1"], "affinity must name distinct processors"),
    (["--affinity", "9999"], "processors [9999] are not among those at hand"),
    (["--networks", "1"], "this kit can verify a table on 2 to 6 unseen networks"),
    (["--networks", "7"], "this kit can verify a table on 2 to 6 unseen networks"),
    (["--out", "."], "--out . is a folder; name a file"),
    (["--out", "small.pyz"], "small.pyz is there already; delete it"),
    (["--out", "small.pyz/table.json"], "nothing can be written there"),
]


@pytest.mark.parametrize(("flags", "said"), WRONG)
def test_a_wrong_flag_is_one_line_and_nothing_is_measured(
    flags: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = small_kit(tmp_path)
    before = path.read_bytes()
    assert command.main([path.name, *flags]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert [p.name for p in tmp_path.iterdir()] == ["small.pyz"]
    assert path.read_bytes() == before


def test_a_finished_table_is_not_measured_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = small_kit(tmp_path), tmp_path / "table.json"
    out.write_text("somebody's")
    assert command.main([str(path), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "somebody's"


def test_another_profiles_journal_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, journal = small_kit(tmp_path), tmp_path / "table.json.journal"
    journal.write_text('{"schema": "autoprune.journal/1", "network": "another", "runs": 3}\n')
    before = journal.read_bytes()
    assert command.main([str(path), "--out", str(tmp_path / "table.json")]) == 2
    assert "measurements of another profile" in capsys.readouterr().err
    assert journal.read_bytes() == before


def test_a_kit_that_lacks_a_network_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = dataclasses.replace(PLAN, numpy="1.26.0")
    path = small_kit(tmp_path, plan, last=None)
    assert command.main([str(path), "--out", str(tmp_path / "table.json")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: numpy {np.__version__} draws other networks than numpy 1.26.0")
    assert said.rstrip().endswith("python -m pip install numpy==1.26.0")


def test_a_table_is_kept_where_its_verification_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = small_kit(tmp_path, last=Skeleton(b"not a network", ())), tmp_path / "table.json"
    assert command.main([str(path), "--out", str(out), "--networks", "6"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "the table is written, but could not be verified: the network: ONNX Runtime cannot load it" in errors[-1]
    [network] = read_table(out).networks.values()
    assert network.verification is None

    assert command.main([str(path), "--out", str(out), "--networks", "5"]) == 0, "the others can be verified on"
    [network] = read_table(out).networks.values()
    assert network.verification is not None
    assert {p.name for p in tmp_path.iterdir()} == {"small.pyz", "table.json"}


def test_a_failure_of_ours_is_called_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.pyz"
    with ZipFile(path, "w"):
        pass
    assert command.main([str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[1]) == (2, "This is a failure of autoprune; --debug shows where.")
    assert command.main([str(path), "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_plan_goes_to_json_and_back() -> None:
    plan = KitPlan(Device("cuda", 3, (4, 1)), 12.5, 7, 9, "2.0.0")
    assert KitPlan.of(plan.to_json()) == plan


EXPORTS: list[tuple[list[str], str]] = [
    ([], "give --out TABLE to profile this device, or --export-kit KIT.pyz"),
    (["--out", "t.json", "--export-kit", "k.pyz"], "give --out TABLE to profile this device, or --export-kit KIT.pyz"),
    (["--export-kit", "k.pyz", "--threads", "0"], "threads"),
]


@pytest.mark.parametrize(("flags", "said"), EXPORTS)
def test_an_export_says_what_is_wrong(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli([*EXPORT, *flags]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 2
    assert said in lines[0]


def test_an_export_answers_in_json(tmp_path: Path, exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "again.pyz"
    assert cli([*EXPORT, "--export-kit", str(path), "--seconds", "1", "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["kit"] == str(path)
    assert answer["size_bytes"] == path.stat().st_size
    assert path.read_bytes() == exported.read_bytes(), "the same kit, exported twice"
