"""The agents a user can name: the files of `agents/`, or a file of the user's own."""

from __future__ import annotations

from pathlib import Path

from autoprune.data_files import data_folder
from autoprune.errors import BadInput
from autoprune.searchers.registry import build_searcher
from autoprune.spec import AgentSpec
from autoprune.trial import Searcher


def find_agents() -> dict[str, AgentSpec]:
    """The agents that come with the package, by name; raises `BadInput` for a broken or misnamed file."""
    agents = {}
    for path in sorted(data_folder("agents").glob("*.toml")):
        agent = AgentSpec.load(path)
        if agent.name != path.stem:
            raise BadInput(f"{path}: an agent's file is called after it, {agent.name}.toml")
        agents[agent.name] = agent
    return agents


def load_agent(name_or_path: str | Path) -> AgentSpec:
    """The agent of that name, or that a `.toml` file describes; raises `BadInput` for an unknown one."""
    if str(name_or_path).endswith(".toml"):
        return AgentSpec.load(Path(name_or_path))
    agents = find_agents()
    if str(name_or_path) not in agents:
        known = ", ".join(agents)
        raise BadInput(f"unknown agent {str(name_or_path)!r}; choose from {known}, or give the path of a .toml file")
    return agents[str(name_or_path)]


def make_searcher(agent: AgentSpec) -> Searcher:
    """The agent's searcher with its settings; raises `BadInput` that names what is wrong with them."""
    try:
        return build_searcher(agent.searcher, agent.settings)
    except BadInput as error:
        raise BadInput(f"agent {agent.name!r}: {error}") from error
