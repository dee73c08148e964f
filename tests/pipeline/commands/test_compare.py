"""Agents compared on a small network and real digits, through the front door."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from running_study import recorded

from autoprune import pipeline
from autoprune.cli import main
from autoprune.deploy.comparison.document import Comparison
from autoprune.errors import AutopruneError, BadInput
from autoprune.pipeline import compare
from autoprune.searchers import registry
from autoprune.searchers.ledger import Ledger
from autoprune.spec import RunSpec
from autoprune.trial import Problem

TESTS = Path(__file__).parents[2]
TRIALS = 12
AGENTS = {"tpe", "random", "uniform"}


def spec(**search: Any) -> RunSpec:
    return RunSpec.parse(
        {
            "name": "small",
            "model": {"name": "narrow:narrow_net"},
            "task": {"name": "digits", "calibration": 128, "validation": 128, "selection": 128},
            "search": {"budgets": ["macs=0.4x"], "trials": TRIALS, "reward": "kl", **search},
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds compared through the command line."""
    place = tmp_path_factory.mktemp("runs")
    (place / "spec.toml").write_text(spec().to_toml())
    out = place / "out"
    assert (
        main(["compare", str(place / "spec.toml"), "--agents", "tpe", "--seeds", "2", "--refit", "--out", str(out)])
        == 0
    )
    return out


@pytest.fixture
def found(folder: Path) -> Comparison:
    return Comparison.load(folder / "compare.json")


def distinct(folder: Path, seed: int) -> int:
    """How many different policies the study of a seed holds."""
    return len({trial.policy for trial in Ledger(folder / "study.db", f"small-seed{seed}", None).trials()})


def test_the_comparison_follows_its_schema_and_has_its_page(folder: Path) -> None:
    document = json.loads((folder / "compare.json").read_text())
    jsonschema.validate(document, json.loads(Comparison.schema_file().read_text()))
    assert "<svg" in (folder / "compare.html").read_text()


def test_every_agent_spends_the_same_evaluations_and_uniform_its_only_one(found: Comparison) -> None:
    assert {agent.agent for agent in found.agents} == AGENTS
    for agent in found.agents:
        assert agent.trials == ((1, 1) if agent.agent == "uniform" else (TRIALS, TRIALS))
        assert [len(curve) for curve in agent.curve] == [TRIALS, TRIALS]


def test_a_policy_is_scored_once_for_all_agents_of_a_seed(folder: Path, found: Comparison) -> None:
    asked = sum(sum(agent.trials) for agent in found.agents)
    scored = sum(agent.time.scored for agent in found.agents)
    assert scored == distinct(folder, 0) + distinct(folder, 1) < asked  # tpe's first policy is the uniform one


def test_curves_rise_to_the_best_reward_and_seeds_see_other_images(found: Comparison) -> None:
    for agent in found.agents:
        for curve, best in zip(agent.curve, agent.reward.values, strict=True):
            known = [x for x in curve if x is not None]
            assert known == sorted(known)
            assert known[-1] == best
        assert agent.reward.values[0] != agent.reward.values[1]


@pytest.mark.parametrize("seed", [0, 1])
def test_an_agent_finds_what_a_search_of_its_own_would(
    folder: Path, found: Comparison, seed: int, tmp_path: Path
) -> None:
    own = spec(seed=seed, agent="tpe", finalists=1)
    weights = own.model.model_copy(update={"weights": folder / "dense.safetensors"})
    alone = pipeline.search(own.model_copy(update={"model": weights}), tmp_path / "alone")
    [tpe] = [agent for agent in found.agents if agent.agent == "tpe"]
    assert alone.reward == tpe.reward.values[seed]


def test_the_same_again_scores_nothing_and_ends_alike(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "compare.json").read_text(), (folder / "compare.html").read_text()
    command = ["compare", str(folder.parent / "spec.toml"), "--agents", "tpe", "--seeds", "2", "--refit", "--json"]
    assert main([*command, "--out", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(before[0])
    assert ((folder / "compare.json").read_text(), (folder / "compare.html").read_text()) == before


def test_more_agents_and_seeds_go_on_from_there(folder: Path, found: Comparison, tmp_path: Path) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(folder, grown)
    one = tmp_path / "narrow-tpe.toml"
    one.write_text('name = "narrow-tpe"\nsearcher = "tpe"\nsummary = "s"\nsource = "s"\n[settings]\nstartup = 4\n')
    more = compare(spec(), ["tpe", str(one), "tpe+random"], 3, grown)
    assert {agent.agent for agent in more.agents} == {*AGENTS, "narrow-tpe", "tpe+random"}
    assert more.seeds == (0, 1, 2)
    assert all(set(agent.trials) == {1 if agent.agent == "uniform" else TRIALS} for agent in more.agents)
    for agent in found.agents:
        [again] = [other for other in more.agents if other.agent == agent.agent]
        assert again.reward.values[:2] == agent.reward.values
        assert again.selection is None


def test_a_killed_comparison_ends_as_an_undisturbed_one(folder: Path, found: Comparison, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "autoprune", "compare", str(folder.parent / "spec.toml"), "--agents", "tpe"]
    command += ["--seeds", "2", "--refit", "--out", str(out), "--json"]
    where: dict[str, Any] = {"cwd": TESTS, "env": {**os.environ, "OMP_NUM_THREADS": "1"}, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **where)
    deadline = time.monotonic() + 300
    while recorded(out / "study.db") < TRIALS + 3:  # in the second agent's search
        assert process.poll() is None, "the comparison ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "compare.json").exists()
    done = subprocess.run(command, check=True, capture_output=False, stdout=subprocess.PIPE, **where)
    assert untimed(Comparison.model_validate_json(done.stdout)) == untimed(found)


def untimed(found: Comparison) -> list[dict[str, Any]]:
    return [agent.model_dump(exclude={"time"}) for agent in found.agents]


@pytest.mark.parametrize(
    ("names", "seeds", "search", "says"),
    [
        (["nobody"], 2, {}, "unknown agent 'nobody'"),
        (["random"], 0, {}, "at least 1 seed, got 0"),
        (["random"], 2, {"seed": 2**32 - 1}, r"search\.seed"),
        (["random"], 2, {"pareto": True}, "budgets alone"),
        (["random"], 2, {"budgets": [], "floor": "0.9", "minimise": "macs"}, "budgets alone"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_done(
    names: list[str], seeds: int, search: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=says):
        compare(spec(**search), names, seeds, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Spender:
    """A searcher that takes one evaluation more than it has."""

    def search(self, problem: Problem) -> None:
        policy = problem.feasible.scaled([0.5] * len(problem.space))
        problem.evaluate([policy] * (problem.trials + 1))


def test_an_agent_that_takes_more_evaluations_than_the_others_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "BUILTIN", {**registry.BUILTIN, "spender": f"{__name__}:Spender"})
    agent = tmp_path / "spender.toml"
    agent.write_text('name = "spender"\nsearcher = "spender"\nsummary = "s"\nsource = "s"\n')
    with pytest.raises(AutopruneError, match="'spender' spent 13 evaluations of the 12"):
        compare(spec(), [str(agent)], 1, tmp_path / "out")


def test_two_agents_of_one_name_are_refused(tmp_path: Path) -> None:
    twin = tmp_path / "twin.toml"
    twin.write_text('name = "random"\nsearcher = "random"\nsummary = "s"\nsource = "s"\n')
    with pytest.raises(BadInput, match="two of the agents are called 'random'"):
        compare(spec(), [str(twin)], 1, tmp_path / "out")
