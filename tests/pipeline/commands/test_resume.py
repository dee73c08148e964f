"""A search that is stopped at any moment: the same command again ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from running_study import judged, mark_judged, recorded
from torch import nn

from autoprune import pipeline
from autoprune.pruning import Pruner
from autoprune.space import Policy
from autoprune.spec import RunSpec

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
TESTS = Path(__file__).parents[2]
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


def spec_of(search: str, trials: int = 40) -> str:
    asked = f'{SEARCHES[search]}, trials = {trials}, reward = "kl", finalists = 2'
    return f"{SPEC}search = {{ {asked} }}\n"


def command(spec: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "autoprune", "search", str(spec), "--out", str(out), "--json"]


def finish(spec: Path, out: Path) -> None:
    subprocess.run(command(spec, out), cwd=TESTS, env=ONE_THREAD, check=True, capture_output=True)


def kill_once(happened: Callable[[Path], bool], spec: Path, out: Path) -> None:
    """Start the search of `spec` and kill -9 it as soon as something has `happened` in its study."""
    devnull = subprocess.DEVNULL
    process = subprocess.Popen(command(spec, out), cwd=TESTS, env=ONE_THREAD, stdout=devnull, stderr=devnull)
    deadline = time.monotonic() + 300
    while not happened(out / "study.db"):
        assert process.poll() is None, "the search ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "policy.json").exists()


@pytest.mark.parametrize("search", SEARCHES)
def test_a_killed_search_ends_as_an_undisturbed_one(search: str, tmp_path: Path) -> None:
    spec, killed, calm = tmp_path / "spec.toml", tmp_path / "killed", tmp_path / "calm"
    spec.write_text(spec_of(search))
    kill_once(lambda study: recorded(study) >= 5, spec, killed)
    finish(spec, killed)
    pipeline.search(RunSpec.load(spec), calm)
    assert (killed / "policy.json").read_bytes() == (calm / "policy.json").read_bytes()
    assert (killed / "front.json").exists() == ("front" in search)
    if "front" in search:
        assert (killed / "front.json").read_bytes() == (calm / "front.json").read_bytes()
    assert recorded(killed / "study.db") == recorded(calm / "study.db") == 40
    assert judged(killed / "study.db") == judged(calm / "study.db") != {}


def test_a_search_that_was_killed_while_it_judged_keeps_what_it_had_judged(tmp_path: Path) -> None:
    spec, out = tmp_path / "spec.toml", tmp_path / "killed"
    spec.write_text(spec_of("a floor", trials=160))
    kill_once(lambda study: len(judged(study)) >= 1, spec, out)
    before = set(judged(out / "study.db"))
    mark_judged(out / "study.db")
    marked = judged(out / "study.db")
    finish(spec, out)
    after = judged(out / "study.db")
    assert before < after.keys()
    assert {name: after[name] for name in before} == marked  # had they been judged again, no mark would be left


class Refits:
    """Counts the networks that are refitted layer by layer; the one after `most` of them is interrupted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.policies: list[Policy] = []
        self.most: int | None = None
        apply = Pruner.apply

        def counting(pruner: Pruner, policy: Policy) -> nn.Module:
            if len(self.policies) == self.most:
                raise KeyboardInterrupt
            self.policies.append(policy)
            return apply(pruner, policy)

        monkeypatch.setattr(Pruner, "apply", counting)

    def of(self, spec: RunSpec, out: Path, most: int | None = None) -> list[Policy]:
        """The policies that a search refits, in order, until it is interrupted."""
        self.policies, self.most = [], most
        if most is None:
            pipeline.search(spec, out)
        else:
            with pytest.raises(KeyboardInterrupt):
                pipeline.search(spec, out)
        return self.policies


@pytest.mark.parametrize("search", SEARCHES)
def test_no_policy_is_refitted_twice_to_be_judged(search: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, refits = RunSpec.parse(tomllib.loads(spec_of(search))), Refits(monkeypatch)
    undisturbed = refits.of(spec, tmp_path / "calm")
    count = len(judged(tmp_path / "calm" / "study.db"))
    assert count >= 2
    first = refits.of(spec, tmp_path / "stopped", most=count - 1)
    rest = refits.of(spec, tmp_path / "stopped")
    again = refits.of(spec, tmp_path / "stopped")
    assert (tmp_path / "stopped" / "policy.json").read_bytes() == (tmp_path / "calm" / "policy.json").read_bytes()
    assert first == undisturbed[: count - 1]
    assert rest[0] == undisturbed[count - 1]
    assert len(rest) <= 2  # what was left to judge, and the chosen one for its tensors, which no ledger keeps
    assert len(again) == 1
    assert judged(tmp_path / "stopped" / "study.db") == judged(tmp_path / "calm" / "study.db")
