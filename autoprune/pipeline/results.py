"""What the commands other than `run` answer with."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProfileResult(_Result):
    """A table that was measured."""

    table: Path
    rows: int
    networks: int
    mean_error: float
    seconds: float


class SearchResult(_Result):
    """The policy that a search chose; relative costs are shares of the dense network's."""

    folder: Path
    policy: Path
    trials: int
    reward: float
    validation_score: float
    relative_macs: float
    relative_params: float
    relative_latency: float | None
    frozen: dict[str, str]


class ApplyResult(_Result):
    """A network that was pruned as a policy file says; `refitted` tells whether a task's images were at hand."""

    onnx: Path
    weights: Path
    macs: int
    params: int
    parity: float
    refitted: bool
    score: float | None
