"""The ledger: what it records, what it answers again, and what it refuses."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from toy import WIDTHS, toy_cost, toy_quality, toy_scores, toy_space

from autoprune.errors import BadInput
from autoprune.objective import Objective, Quality
from autoprune.searchers.ledger import Ledger, Score
from autoprune.space import Policy
from autoprune.trial import Evaluate, Trial

COST = toy_cost()
SMALL, DENSE = toy_space().smallest(), toy_space().dense()
MIDDLE = toy_space().policy([0.5] * len(WIDTHS))


def evaluator(
    ledger: Ledger, score: Score = toy_scores, agent: str = "a", seed: int = 0, reward: str = "accuracy"
) -> Evaluate:
    return ledger.evaluator(score, COST, Objective(reward), agent=agent, seed=seed)


def never(policies: Sequence[Policy]) -> list[Quality]:
    raise AssertionError(f"{policies} should not have been scored")


def reopened(path: Path) -> Ledger:
    return Ledger(path, "toy", "f")


def study(path: Path) -> optuna.Study:
    """The study as anybody reads it with Optuna."""
    return optuna.load_study(study_name="toy", storage=f"sqlite:///{path}")


def same(a: list[Trial], b: list[Trial]) -> bool:
    """Equality under which NaN equals itself."""
    return repr(a) == repr(b)


def test_trials_are_numbered_in_the_order_they_are_asked_for() -> None:
    ledger = Ledger(None, "toy", "f")
    evaluate = evaluator(ledger)
    first, second = evaluate([DENSE, SMALL]), evaluate([MIDDLE])
    assert [t.number for t in (*first, *second)] == [0, 1, 2]
    assert [t.policy for t in (*first, *second)] == [DENSE, SMALL, MIDDLE]
    assert ledger.trials() == [*first, *second]
    assert first[0].cost == COST.cost(DENSE)
    assert first[1].quality == toy_quality(SMALL)


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=20, deadline=None)
@given(qualities=st.lists(st.builds(Quality, numbers, numbers, numbers), min_size=1, max_size=4))
def test_any_quality_is_read_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, qualities: list[Quality]) -> None:
    path = tmp_path_factory.mktemp("ledger") / "study.db"
    policies = [DENSE, SMALL, MIDDLE, toy_space().policy([0.25] * len(WIDTHS))][: len(qualities)]
    found = evaluator(reopened(path), lambda _: qualities)(policies)
    assert same(reopened(path).trials(), found)


def test_optuna_reads_the_record(tmp_path: Path) -> None:
    [trial] = evaluator(reopened(tmp_path / "study.db"), agent="amc", seed=7)([MIDDLE])
    [record] = study(tmp_path / "study.db").trials
    assert record.state is TrialState.COMPLETE
    assert record.value == trial.reward
    assert record.params == {f"conv{i}": 0.5 for i in range(len(WIDTHS))}
    attributes = record.user_attrs
    assert (attributes["agent"], attributes["seed"], attributes["number"]) == ("amc", 7, 0)
    assert attributes["widths"] == list(MIDDLE.widths)
    assert attributes["cost"]["latency_ms"] == trial.cost.latency_ms
    assert attributes["cost"]["energy_mj"] is None


def test_a_reward_that_is_no_number_is_a_failed_trial_and_never_the_best(tmp_path: Path) -> None:
    broken = Quality(math.nan, 0.0, math.inf)
    ledger = reopened(tmp_path / "study.db")
    evaluate = evaluator(ledger, lambda policies: [broken if p == DENSE else toy_quality(p) for p in policies])
    evaluate([DENSE, SMALL])
    assert [record.state for record in study(tmp_path / "study.db").trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert ledger.best is not None
    assert ledger.best.policy == SMALL


def test_the_best_is_the_earliest_of_equals() -> None:
    ledger = Ledger(None, "toy", "f")
    assert ledger.best is None
    evaluator(ledger)([SMALL, DENSE, DENSE])
    assert ledger.best == ledger.trials()[1]


def test_each_policy_is_scored_once_whoever_asks() -> None:
    ledger = Ledger(None, "toy", "f")
    scored: list[Policy] = []

    def score(policies: Sequence[Policy]) -> list[Quality]:
        scored.extend(policies)
        return toy_scores(policies)

    first = evaluator(ledger, score)([DENSE, SMALL, DENSE])
    second = evaluator(ledger, score, agent="b")([SMALL, MIDDLE])
    assert scored == [DENSE, SMALL, MIDDLE]
    assert [t.number for t in (*first, *second)] == [0, 1, 2, 0, 1]
    assert ledger.trials("b") == second
    assert ledger.trials(seed=1) == []


def test_a_replay_neither_scores_nor_records(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    found = evaluator(reopened(path))([DENSE, SMALL, DENSE])
    replay = evaluator(reopened(path), never)
    assert [replay([p])[0] for p in (DENSE, SMALL, DENSE)] == found
    assert len(study(path).trials) == 3


def test_qualities_are_recorded_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "study.db"

    def interrupted(policies: Sequence[Policy]) -> Iterator[Quality]:
        yield toy_quality(policies[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluator(reopened(path), interrupted)([DENSE, SMALL])
    assert [trial.policy for trial in reopened(path).trials()] == [DENSE]


def test_a_search_that_proposes_otherwise_than_recorded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    evaluator(reopened(path))([DENSE])
    with pytest.raises(BadInput, match="trial 0 of agent 'a', seed 0, is recorded with another policy"):
        evaluator(reopened(path))([SMALL])
    assert len(study(path).trials) == 1


@pytest.mark.parametrize("qualities", [[], [toy_quality(DENSE)] * 3])
def test_one_quality_a_policy_is_demanded(qualities: list[Quality]) -> None:
    with pytest.raises(ValueError, match="zip"):
        evaluator(Ledger(None, "toy", "f"), lambda _: qualities)([DENSE, SMALL])


def test_a_study_belongs_to_one_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    evaluator(reopened(path))([DENSE])
    with pytest.raises(BadInput, match=r"another run \(fingerprint f, this run's is g\).*another name or folder"):
        Ledger(path, "toy", "g")
    assert Ledger(path, "other", "g").trials() == []  # another study in the same file
    assert len(reopened(path).trials()) == 1


def test_somebody_elses_study_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    theirs = optuna.create_study(study_name="toy", storage=f"sqlite:///{path}")
    theirs.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(BadInput, match="another run"):
        reopened(path)
    assert study(path).user_attrs == {}


def test_a_half_written_trial_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    evaluator(reopened(path))([DENSE])
    study(path).ask()  # running, and never told
    replay = evaluator(reopened(path))
    assert [trial.number for trial in (*replay([DENSE]), *replay([SMALL]))] == [0, 1]


def test_two_ledgers_on_one_study_share_their_answers(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    here, there = reopened(path), reopened(path)
    evaluator(here, agent="a")([DENSE, SMALL])
    evaluator(there, never, agent="b")([SMALL, DENSE])
    assert len(here.trials()) == len(there.trials()) == 4


def test_nothing_reaches_the_users_screen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluator(reopened(tmp_path / "study.db"))([DENSE])
    assert capfd.readouterr() == ("", "")


WORKER = """
import sys
from toy import toy_cost, toy_scores, toy_space
from autoprune.objective import Objective
from autoprune.searchers.ledger import Ledger
import itertools

path, agent, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
space = toy_space()
evaluate = Ledger(path, "toy", "f").evaluator(toy_scores, toy_cost(), Objective(), agent=agent, seed=0)
policies = map(space.policy, itertools.product([0.25, 0.5, 0.75, 1.0], repeat=len(space)))
for policy in itertools.islice(policies, count):
    evaluate([policy])
    print("recorded", flush=True)
"""


def worker(path: Path, agent: str, count: int) -> subprocess.Popen[str]:
    """A process that has `count` policies recorded, one after the other, and says so after each."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WORKER, str(path), agent, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_killed_process_leaves_a_study_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    process = worker(path, "a", 1000)
    assert process.stdout is not None
    for _ in range(5):
        assert process.stdout.readline() == "recorded\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = reopened(path).trials()
    assert len(before) >= 5
    assert [trial.number for trial in before] == list(range(len(before)))
    replay = evaluator(reopened(path), never)
    assert [replay([trial.policy])[0] for trial in before] == before


def test_two_processes_may_write_to_one_new_study(tmp_path: Path) -> None:
    """Two agents and, worst of all, the same one twice: nothing is lost, nothing is counted double."""
    path = tmp_path / "study.db"
    processes = [worker(path, agent, 10) for agent in ("a", "b", "b")]
    assert [(process.communicate()[0].count("recorded"), process.returncode) for process in processes] == [(10, 0)] * 3
    trials = reopened(path).trials()
    assert [trial.number for trial in trials] == [*range(10), *range(10)]
    assert trials[:10] == trials[10:]


def test_what_else_is_kept_survives_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    reopened(path).keep("time.a", {"scored": 3, "seconds": 0.5})
    assert reopened(path).kept("time.a") == {"scored": 3, "seconds": 0.5}
    reopened(path).keep("time.a", [1, None])
    assert reopened(path).kept("time.a") == [1, None]
    assert reopened(path).kept("time.b") is None
    assert reopened(path).trials() == []
