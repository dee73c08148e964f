"""kill -9 in the middle of a search: the same command again ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running_study import recorded

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
TESTS = Path(__file__).parents[1]
SPEC = """
name = "tiny"
model = { name = "tiny:tiny_net" }
task = { name = "digits", calibration = 128, validation = 128, selection = 128 }
"""
SEARCHES = {
    "a budget": 'budgets = ["macs=0.5x"]',
    "a floor": 'floor = "dense-0.1", minimise = "macs", levels = 4',
    "a front and a budget": 'budgets = ["macs=0.5x"], pareto = true, levels = 4',
}


def command(spec: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "autoprune", "search", str(spec), "--out", str(out), "--json"]


@pytest.mark.parametrize("search", SEARCHES)
def test_a_killed_search_ends_as_an_undisturbed_one(search: str, tmp_path: Path) -> None:
    spec, killed, calm = tmp_path / "spec.toml", tmp_path / "killed", tmp_path / "calm"
    asked = f'{SEARCHES[search]}, trials = 40, reward = "kl", finalists = 2'
    spec.write_text(f"{SPEC}search = {{ {asked} }}\n")
    devnull = subprocess.DEVNULL
    process = subprocess.Popen(command(spec, killed), cwd=TESTS, env=ONE_THREAD, stdout=devnull, stderr=devnull)
    deadline = time.monotonic() + 300
    while recorded(killed / "study.db") < 5:
        assert process.poll() is None, "the search ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "policy.json").exists()
    for out in (killed, calm):
        subprocess.run(command(spec, out), cwd=TESTS, env=ONE_THREAD, check=True, capture_output=True)
    assert (killed / "policy.json").read_bytes() == (calm / "policy.json").read_bytes()
    assert (killed / "front.json").exists() == ("front" in search)
    if "front" in search:
        assert (killed / "front.json").read_bytes() == (calm / "front.json").read_bytes()
    assert recorded(killed / "study.db") == recorded(calm / "study.db") == 40
