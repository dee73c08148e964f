"""The agents a user can name: the files of `agents/`, or a file of the user's own, one started by another."""

from __future__ import annotations

from pathlib import Path

from autoprune.data_files import data_folder
from autoprune.errors import BadInput
from autoprune.searchers.registry import build_searcher
from autoprune.searchers.warm_start import WarmStarted
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


def load_agent(name_or_path: str | Path, warm_start: str | Path | None = None) -> AgentSpec:
    """The agent of that name, or that a `.toml` file describes; raises `BadInput` for an unknown one.

    With `warm_start`, the name or path of another agent, it begins from that one's trials, as it
    does where the name itself is made of two, as in `evolution+knapsack`.
    """
    name, plus, source = str(name_or_path).partition("+")
    if plus and Path(name_or_path).is_file():
        name, plus = str(name_or_path), ""
    if plus and warm_start is not None:
        raise BadInput(f"agent {str(name_or_path)!r} has a warm start already; it cannot take {str(warm_start)!r} too")
    if plus or warm_start is not None:
        return _started(_load(name), str(source if plus else warm_start))
    return _load(name)


def _load(name_or_path: str) -> AgentSpec:
    if name_or_path.endswith(".toml"):
        return AgentSpec.load(Path(name_or_path))
    agents = find_agents()
    if name_or_path not in agents:
        known = ", ".join(agents)
        raise BadInput(f"unknown agent {name_or_path!r}; choose from {known}, or give the path of a .toml file")
    return agents[name_or_path]


def _started(agent: AgentSpec, source: str) -> AgentSpec:
    """`agent`, warm-started by the agent `source`, and named after both."""
    name = _load(source).name
    if name == agent.name:
        raise BadInput(f"agent {name!r} cannot start from its own trials; give another agent to start from")
    if agent.warm_start is not None:
        raise BadInput(f"agent {agent.name!r} starts from {agent.warm_start!r} already; leave {source!r} out")
    return agent.model_copy(update={"name": f"{agent.name}+{name}", "warm_start": source})


def make_searcher(agent: AgentSpec) -> Searcher:
    """The agent's searcher with its settings; raises `BadInput` that names what is wrong with them."""
    try:
        searcher = build_searcher(agent.searcher, agent.settings)
    except BadInput as error:
        raise BadInput(f"agent {agent.name!r}: {error}") from error
    if agent.warm_start is None:
        return searcher
    source = _load(agent.warm_start)
    if source.warm_start is not None:
        raise BadInput(f"agent {agent.name!r} starts from {source.name!r}, which itself starts from another; name that")
    return WarmStarted(make_searcher(source), searcher)
