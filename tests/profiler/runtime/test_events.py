from __future__ import annotations

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import CPU, small_network

from autoprune.errors import AutopruneError
from autoprune.profiler.runtime.events import median_us, read_events
from autoprune.profiler.runtime.session import Session

TIMES = st.lists(st.floats(0.1, 1000), min_size=1, max_size=50)


def test_reads_what_a_json_parser_reads(tmp_path: Path) -> None:
    session = Session(small_network(12, 24), CPU, profile_to=tmp_path)
    session.time(4)
    profile = session.end_profiling()
    nodes = read_events(profile)
    events = [e for e in json.loads(profile.read_text()) if e["name"].endswith("_kernel_time")]
    assert list(nodes) == list(dict.fromkeys(e["name"].removesuffix("_kernel_time") for e in events))
    for name, node in nodes.items():
        own = [e for e in events if e["name"] == f"{name}_kernel_time"]
        assert node.durations_us == [e["dur"] for e in own]
        assert node.op == own[0]["args"]["op_name"]
        assert [list(shape) for shape in node.inputs] == [
            shape for entry in own[0]["args"]["input_type_shape"] for shape in entry.values()
        ]
        assert len(node.durations_us) == 4


def test_a_profile_without_kernels_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text('[\n{"cat" : "Session","dur" :3,"name" :"model_loading","args" : {}}\n]\n')
    with pytest.raises(AutopruneError, match="no kernel times"):
        read_events(tmp_path / "profile.json")


@given(TIMES)
def test_the_median_is_within_the_clock_s_step(times: list[float]) -> None:
    assert abs(median_us(np.floor(times)) - statistics.median_low(times)) <= 1


@given(TIMES, st.integers(0, 1000))
def test_the_median_moves_with_the_times(times: list[float], shift: int) -> None:
    assert median_us(np.floor(times) + shift) == pytest.approx(median_us(np.floor(times)) + shift)


@pytest.mark.parametrize("typical_us", [2.2, 2.5, 2.9, 17.4])
def test_short_kernels_can_be_told_apart(typical_us: float) -> None:
    times = typical_us + np.random.default_rng(0).normal(0, 0.4, size=4000)
    assert median_us(np.floor(times)) == pytest.approx(typical_us, abs=0.1)
