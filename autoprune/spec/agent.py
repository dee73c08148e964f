"""AgentSpec: a search agent, as a file of `agents/` describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field

from autoprune.spec.section import Section, read_toml, validated


class AgentSpec(Section):
    """A search agent: which searcher, with which hyper-parameters, and where they come from."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    warm_start: str | None = Field(None, description="an agent that spends the first quarter of the trials")
    searcher: str = Field(description="name of a searcher in the registry (entry point group autoprune.searchers)")
    summary: str = Field(description="what it does, in one sentence")
    source: str = Field(description="paper and section, or documentation, that the settings come from")
    settings: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the searcher")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file of `agents/`."""
        return validated(cls, read_toml(path), str(path))
