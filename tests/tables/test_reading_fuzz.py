"""Whatever is in the file: a table whose predictions are numbers, or an error that names the file and the way out."""

from __future__ import annotations

import io
import json
import math
import re
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaged_tables import changed_contents, damaged_bytes, example_content, put, sealed, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_example import example_table

from autoprune.cli import main
from autoprune.device import Device
from autoprune.errors import BadInput, UnknownKernel
from autoprune.profiler.runtime.fingerprint import Fingerprint
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.network_profile import NetworkProfile
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.profiler.table.stairs import pareto_widths
from autoprune.profiler.table.written import document
from autoprune.tables.reading import read_table

THOROUGH = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
THROUGH_THE_DOOR = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
REMEDY = re.compile("restore the file|profile again|make one with autoprune profile")


def policies(network: NetworkProfile) -> np.ndarray:
    """The dense, the smallest and some mixed policies [n, groups]."""
    rng = np.random.default_rng(0)
    extremes = [[group.widths[end] for group in network.groups] for end in (-1, 0)]
    mixed = [[rng.choice(group.widths) for group in network.groups] for _ in range(6)]
    return np.array([*extremes, *mixed], dtype=np.int64).reshape(8, len(network.groups))


def require_usable(table: LatencyTable) -> None:
    """All that is predicted from `table` is finite, or said not to be known."""
    for digest, network in table.networks.items():
        timed = TimedPlan.of(table, digest, network.space)
        shares = document(timed.coverage()).values()
        assert all(0 <= share <= 1 for share in shares)
        for predict in (timed.latency, timed.energy, lambda timed=timed: timed.latency(pareto_widths(timed))):
            try:
                predicted = predict()(policies(network))
            except UnknownKernel as error:
                assert "profile" in str(error) or "set a budget" in str(error)  # noqa: PT017 - or nothing is raised
            else:
                assert np.isfinite(predicted).all()


def check(path: Path) -> None:
    before = path.read_bytes()
    try:
        table = read_table(path)
    except BadInput as error:
        said = str(error)
        assert said.startswith(f"{path}: ")
        assert REMEDY.search(said)
        assert said.isprintable()
    else:
        require_usable(table)
    assert path.read_bytes() == before


@THOROUGH
@given(changed_contents())
def test_a_content_changed_anyhow_with_a_checksum_that_fits(content: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(written(Path(folder), sealed(content)))


@THOROUGH
@given(changed_contents())
def test_a_content_changed_anyhow_with_the_checksum_left_as_it_was(content: Any) -> None:
    stated = json.loads(sealed(example_content()))["sha256"]
    with tempfile.TemporaryDirectory() as folder:
        check(written(Path(folder), json.dumps({"sha256": stated, **content})))


@THOROUGH
@given(damaged_bytes(), st.sampled_from(["table.json", "table.json.gz"]))
def test_bytes_cut_off_changed_or_put_in(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(written(Path(folder), data, name))


@THOROUGH
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_what_never_was_a_table(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), data)
        with pytest.raises(BadInput, match=REMEDY):
            read_table(path)


def command(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = main([str(argument) for argument in arguments])
    return status, out.getvalue(), err.getvalue()


def require_explained(status: int, out: str, err: str) -> None:
    """The command failed as it should: bad input, one or two lines, nothing on stdout."""
    assert status == 2, err
    assert out == ""
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 2
    assert "Traceback" not in err


def files(content: Any, data: bytes, as_bytes: bool, folder: str) -> Path:
    return written(Path(folder), data if as_bytes else sealed(content))


@THROUGH_THE_DOOR
@given(changed_contents(), damaged_bytes(), st.booleans(), st.booleans())
def test_tables_show_explains_or_shows(content: Any, data: bytes, as_bytes: bool, as_json: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = files(content, data, as_bytes, folder)
        before = path.read_bytes()
        status, out, err = command("tables", "show", path, *(["--json"] if as_json else []))
        if status:
            require_explained(status, out, err)
        elif as_json:
            assert json.loads(out, parse_constant=pytest.fail)["rows"] is not None
        else:
            assert out
        assert path.read_bytes() == before


@THROUGH_THE_DOOR
@given(changed_contents(), damaged_bytes(), st.booleans(), st.booleans())
def test_tables_import_explains_or_writes_what_can_be_read(
    content: Any, data: bytes, as_bytes: bool, beside_another: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, place = files(content, data, as_bytes, folder), Path(folder, "installed", "table.json")
        if beside_another:
            example_table().save(place)
        before = place.read_bytes() if beside_another else None
        status, out, err = command("tables", "import", path, "--to", place)
        if status:
            require_explained(status, out, err)
            assert (place.read_bytes() if place.exists() else None) == before
        else:
            require_usable(read_table(place))


@settings(THROUGH_THE_DOOR, max_examples=25)
@given(changed_contents(), damaged_bytes(), st.booleans())
def test_tables_verify_explains_what_it_cannot_check(content: Any, data: bytes, as_bytes: bool) -> None:
    """The example's network is none that there is, so even a good table cannot be checked."""
    here = json.loads(json.dumps(document(Fingerprint.here(Device()))))
    if content.get("fingerprint") == example_content()["fingerprint"]:
        content = put(content, ("fingerprint",), here)
    with tempfile.TemporaryDirectory() as folder:
        path = files(content, data, as_bytes, folder)
        before = path.read_bytes()
        require_explained(*command("tables", "verify", path, "--model", "digits_cnn", "--input", "1,1,8,8"))
        assert path.read_bytes() == before


def test_what_is_finite_stays_finite_at_the_edges_of_the_rules(tmp_path: Path) -> None:
    """Every number at once as large, or as small, as its rule allows."""
    network = ("networks", *example_content()["networks"])
    content = example_content()
    for place, value in {
        (*network, "scale"): 1e3,
        (*network, "crowding"): 1e3,
        (*network, "dense_ms"): 1e-9,
        (*network, "constant_ms"): 1e9 - 1,
        ("energy", "pj_per_mac"): 1e15,
        ("energy", "pj_per_byte"): 1e15,
    }.items():
        content = put(content, place, value)
    content["rows"] = [{**row, "ms": 1e9, "spread_ms": 1e9} for row in content["rows"]]
    table = read_table(written(tmp_path, sealed(content)))
    require_usable(table)
    [timed] = [TimedPlan.of(table, digest, one.space) for digest, one in table.networks.items()]
    assert all(math.isfinite(ms) for ms in timed.latency()(np.array([[24, 16], [8, 8]])))
