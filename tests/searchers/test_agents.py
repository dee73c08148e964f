from __future__ import annotations

from pathlib import Path

import pytest
from toy import toy_problem

from autoprune.data_files import data_folder
from autoprune.errors import AutopruneError, BadInput
from autoprune.searchers import agents
from autoprune.searchers.agents import find_agents, load_agent, make_searcher
from autoprune.searchers.registry import BUILTIN
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
    searchers = {name: agent.searcher for name, agent in find_agents().items()}
    assert searchers == {**{name: name for name in BUILTIN if name != "ddpg"}, "amc-ddpg": "ddpg"}


@pytest.mark.parametrize("name", find_agents())
def test_every_setting_of_an_agent_is_its_searchers(name: str) -> None:
    """And every setting that is not left out on purpose is written down with where it comes from."""
    agent = load_agent(name)
    fields = type(make_searcher(agent)).model_fields  # type: ignore[attr-defined]
    assert set(fields) - set(agent.settings) <= {"population", "mutation"}
    path = data_folder("agents") / f"{name}.toml"
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert agent.source


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
    with pytest.raises(BadInput, match=r"'amc'.*amc-ddpg, annealing, evolution"):
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
