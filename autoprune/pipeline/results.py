"""What the commands other than `run` answer with."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProfileResult(_Result):
    """A table that was measured; `energy` says how its energies came about, and their constants.

    `rows` are those of the table by now. Of the network: the copies (`networks`) that it was measured
    in and the mean error on them, its channel groups, how many of their widths were measured and how
    many are worth offering, and the share of the kernels looked up that lie between measured ones.
    """

    table: Path
    rows: int
    networks: int
    mean_error: float
    groups: int
    measured_widths: int
    offered_widths: int
    interpolated: float
    energy: str
    seconds: float


class KitResult(_Result):
    """A kit that profiles a network on another device: `networks` copies of it, in a file of `size_bytes`."""

    kit: Path
    size_bytes: int
    networks: int
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
    relative_energy: float | None
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
