"""Every searcher in processes of its own: two at once on one study, or one that is killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from toy import toy_problem

from autoprune.searchers.agents import find_agents, load_agent, make_searcher
from autoprune.searchers.ledger import Ledger
from autoprune.trial import Trial

TRIALS = 6
SEARCH = f"""
import sys
from dataclasses import replace
from toy import toy_problem, toy_quality
from autoprune.objective import Objective
from autoprune.searchers.agents import load_agent, make_searcher
from autoprune.searchers.ledger import Ledger

path, jitter, *agents = sys.argv[1:]
ledger = Ledger(path, "toy", "f")

def score(policies):
    for policy in policies:
        found = toy_quality(policy)
        yield replace(found, score=found.score + float(jitter))

for agent in agents:
    problem = toy_problem("macs=0.4x", trials={TRIALS}, seed=3)
    evaluate = ledger.evaluator(score, problem.feasible.cost, Objective(), agent=agent, seed=3)
    make_searcher(load_agent(agent)).search(replace(problem, evaluate=evaluate))
"""


def searching(path: Path, jitter: float) -> subprocess.Popen[str]:
    """A process that lets every agent search; its scores are off by `jitter`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SEARCH, str(path), str(jitter), *find_agents()]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def alone(agent: str) -> list[Trial]:
    kept: list[Trial] = []
    make_searcher(load_agent(agent)).search(toy_problem("macs=0.4x", trials=TRIALS, seed=3, kept=kept))
    return kept


def test_the_same_searches_in_two_processes(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    processes = [searching(path, 0.0), searching(path, 0.0)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 2
    ledger = Ledger(path, "toy", "f")
    for agent in find_agents():
        assert ledger.trials(agent, 3) == alone(agent)


def test_scores_that_differ_do_not_part_them(tmp_path: Path) -> None:
    """As they may between two machines: what was recorded first counts for both, so that no trial contradicts it."""
    path = tmp_path / "study.db"
    processes = [searching(path, 0.0), searching(path, 0.05)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 2
    ledger = Ledger(path, "toy", "f")
    for agent in find_agents():
        trials = ledger.trials(agent, 3)
        assert [trial.number for trial in trials] == list(range(1 if agent == "uniform" else TRIALS))


def test_killed_searches_end_as_if_nothing_had_happened(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    killed = searching(path, 0.0)
    while not path.exists() or len(Ledger(path, "toy", None).trials()) < 40:
        assert killed.poll() is None
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    again = searching(path, 0.0)
    assert (again.communicate()[1], again.returncode) == ("", 0)
    ledger = Ledger(path, "toy", "f")
    for agent in find_agents():
        assert ledger.trials(agent, 3) == alone(agent)
