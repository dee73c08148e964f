from __future__ import annotations

import functools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import CPU, SmallNetworks, small_blueprint, small_space
from table_example import example_fingerprint

from autoprune.errors import BadInput
from autoprune.profiler.plan.blueprint import Blueprint
from autoprune.profiler.profile import profile
from autoprune.profiler.runtime.executed import Execution, observe
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.timing.journal import Journal
from autoprune.profiler.timing.visits import Visit
from autoprune.space import Policy

TESTS = Path(__file__).parents[2]
POLICIES = (Policy((32, 48)), Policy((8, 16)))


@functools.cache
def executions() -> tuple[Execution, ...]:
    made = SmallNetworks()
    return tuple(observe(made(policy), CPU) for policy in POLICIES)


def visit(network: int, ms: float = 1.25) -> Visit:
    """A visit whose kernels take different times."""
    execution = executions()[network]
    return Visit(
        network=network,
        kernel_us={kernel: 1.5 + i / 3 for i, kernel in enumerate(execution.distinct)},
        sites=execution.counts,
        network_ms=ms,
        reference_ms=0.7,
        runs=9,
        disturbed=0.125,
        run_s=0.002,
        loading_s=0.01,
        took_s=0.3,
    )


def journal(
    path: Path | None,
    blueprint: Blueprint | None = None,
    fingerprint: Fingerprint | None = None,
    seed: int = 0,
) -> Journal:
    return Journal(path, blueprint or small_blueprint(), fingerprint or example_fingerprint(), seed)


def written(path: Path, visits: Sequence[Visit]) -> bytes:
    book = journal(path)
    book.start([9, 9])
    for one in visits:
        book.add(one, executions()[one.network])
    return path.read_bytes()


VISITS = (visit(0), visit(1, 0.1 + 0.2), visit(0, 3.0))


def test_what_was_kept_is_read_again_to_the_last_digit(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal"
    written(path, VISITS)
    assert journal(path).read(executions()) == ([9, 9], list(VISITS))


def test_a_new_profile_has_nothing_kept(tmp_path: Path) -> None:
    book = journal(tmp_path / "journal")
    assert book.read(executions()) == (None, [])
    book.start([9, 9])
    assert journal(tmp_path / "journal").read(executions()) == ([9, 9], [])


def test_without_a_path_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    book = journal(None)
    book.start([9, 9])
    book.add(VISITS[0], executions()[0])
    assert book.read(executions()) == (None, [])
    book.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_finished_profile_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, VISITS)
    journal(path).finish()
    assert list(tmp_path.iterdir()) == []


def test_a_last_line_cut_at_any_byte_is_dropped_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = written(path, VISITS)
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        book = journal(path)
        assert book.read(executions()) == ([9, 9], list(VISITS[:2]))
        book.add(VISITS[2], executions()[0])
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"fingerprint": example_fingerprint(threads=2)},
        {"fingerprint": example_fingerprint(cpu="Another CPU")},
        {"blueprint": small_blueprint(digest="6" * 16)},
        {"blueprint": small_blueprint(small_space().with_widths([(8, 32), (16, 48)]))},
    ],
    ids=["seed", "threads", "processor", "network", "widths"],
)
def test_a_journal_of_another_profile_is_refused_and_left_alone(tmp_path: Path, other: dict[str, object]) -> None:
    path = tmp_path / "journal"
    before = written(path, VISITS)
    with pytest.raises(BadInput, match=r"journal: measurements of another profile .*choose another --out, or delete"):
        journal(path, **other).read(executions())  # type: ignore[arg-type]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{}\n", b"[]\n", b"nothing\n", b'{"schema": "autoprune.journal/1"}\n']
)
def test_what_is_no_journal_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="journal: "):
        journal(path).read(executions())
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "change",
    [
        {"network": 2},
        {"network": -1},
        {"network": "0"},
        {"network": 0.5},
        {"us": []},
        {"us": [1.0]},
        {"us": None},
        {"us": [-1.0] * len(executions()[0].distinct)},
        {"us": [float("nan")] * len(executions()[0].distinct)},
        {"network_ms": "1"},
        {"reference_ms": float("nan")},
        {"took_s": -1},
        {"runs": None},
    ],
    ids=str,
)
def test_visits_that_cannot_be_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "journal"
    head, first, *rest = written(path, VISITS).splitlines()
    path.write_bytes(b"\n".join([head, json.dumps({**json.loads(first), **change}).encode(), *rest, b""]))
    with pytest.raises(BadInput, match="journal: the measurements in it are damaged; delete it"):
        journal(path).read(executions())


@settings(deadline=None)
@given(st.data())
def test_a_damaged_journal_gives_visits_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "journal"
    content = bytearray(written(path, VISITS))
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(0, len(content) - 1))
        content[where : where + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    path.write_bytes(content)
    try:
        _, visits = journal(path).read(executions())
    except BadInput as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - or nothing is raised
    else:
        assert all(isinstance(one, Visit) for one in visits)


def profile_in_another_process(path: Path) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from pathlib import Path\n"
        "from small_networks import CPU, SmallNetworks\n"
        "from autoprune.profiler.profile import profile\n"
        "profile(SmallNetworks(), device=CPU, seconds=3600, seed=3, journal=Path(sys.argv[1]))\n"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=TESTS)


def test_a_profile_that_is_killed_goes_on_with_what_it_measured(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    process = profile_in_another_process(path)
    deadline = time.monotonic() + 120
    while not path.is_file() or path.read_bytes().count(b"\n") < 6:
        assert process.poll() is None, "the profile ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = path.read_bytes()
    kept = killed[: killed.rfind(b"\n") + 1]
    journals: list[bytes] = []

    def keep(_: LatencyTable) -> None:
        journals.append(path.read_bytes())

    table = profile(SmallNetworks(), device=CPU, seconds=0.1, seed=3, journal=path, keep=keep)
    assert kept.count(b"\n") >= 6
    assert journals[0].startswith(kept)
    assert len(journals[0]) > len(kept)
    assert not path.exists()
    [network] = table.networks.values()
    assert table.reference.runs == journals[0].count(b"\n") - 1 >= 2 * network.networks
    assert table.fingerprint == Fingerprint.here(CPU)
