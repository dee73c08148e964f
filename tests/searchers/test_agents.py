from __future__ import annotations

from pathlib import Path

import pytest
from toy import toy_problem

from autoprune.errors import AutopruneError, BadInput
from autoprune.searchers import agents
from autoprune.searchers.agents import find_agents, load_agent, make_searcher
from autoprune.spec import AgentSpec
from autoprune.trial import Trial

MINE = """
name = "mine"
searcher = "evolution"
summary = "a wider first step"
source = "guessed"
settings = {sigma0 = 0.4}
"""


def test_the_agents_of_the_package() -> None:
    assert sorted(find_agents()) == ["amc-ddpg", "evolution", "ppo", "random", "tpe", "uniform"]


@pytest.mark.parametrize("name", find_agents())
def test_each_agent_searches(name: str) -> None:
    kept: list[Trial] = []
    problem = toy_problem("macs=0.5x", trials=3, kept=kept)
    make_searcher(load_agent(name)).search(problem)
    assert len(kept) == (1 if name == "uniform" else 3)
    assert all(trial.policy in problem.feasible for trial in kept)


def test_an_agent_may_be_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "whatever.toml"
    path.write_text(MINE)
    assert load_agent(path) == load_agent(str(path))
    assert load_agent(path).settings == {"sigma0": 0.4}


def test_an_unknown_agent_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'amc'.*amc-ddpg, evolution"):
        load_agent("amc")


@pytest.mark.parametrize(("text", "complaint"), [("name =", "not valid TOML"), ('name = "a"', "searcher")])
def test_a_broken_file_says_where(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=complaint):
        load_agent(path)


def test_a_file_is_called_after_its_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yours.toml").write_text(MINE)
    monkeypatch.setattr(agents, "data_folder", lambda _: tmp_path)
    with pytest.raises(BadInput, match=r"mine\.toml"):
        find_agents()


def test_wrong_settings_name_the_agent() -> None:
    agent = AgentSpec(name="mine", searcher="tpe", summary="", source="", settings={"startup": 0})
    with pytest.raises(AutopruneError, match=r"agent 'mine': startup: .*got 0"):
        make_searcher(agent)
