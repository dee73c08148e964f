"""What the service answers: the JSON documents of /v1, which the server writes and the client reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

State = Literal["queued", "running", "done", "failed", "cancelled"]
Kind = Literal["run", "verify", "measure"]
Scope = Literal["read", "submit", "admin"]
UploadKind = Literal["weights", "table", "network"]

FINISHED: frozenset[State] = frozenset({"done", "failed", "cancelled"})
Seconds = Annotated[float, Field(description="seconds since 1970-01-01 UTC")]


class Answer(BaseModel):
    """Base of all documents."""

    model_config = ConfigDict(frozen=True)


class Problem(Answer):
    """Why a request was not served: which rule, which value, and the way out."""

    code: str = Field(
        description="for programs: bad_input, not_found, scope, conflict, quota, rate, busy, disk_full, ..."
    )
    error: str = Field(description="for people, in one or two lines")


class JobDocument(Answer):
    """A job as it stands."""

    id: str
    name: str
    kind: Kind
    state: State
    device: str
    owner: str = Field(description="name of the token that it was submitted with; empty where none was asked for")
    created: Seconds
    started: Seconds | None = None
    finished: Seconds | None = None
    stage: str = Field("", description="profile, search, apply, fine-tune, export or measure")
    doing: str = Field("", description="the work within the stage")
    done: float = Field(0, description="how much of `total` is done of that work, in a unit of its own")
    total: float = 0
    note: str = ""
    seconds_left: float | None = Field(None, description="of the work within the stage, at the pace so far")
    error: str | None = Field(None, description="why it failed")
    spec: dict[str, JsonValue] = Field(description="the RunSpec, or what is to be verified, as it was submitted")

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in FINISHED


class JobPage(Answer):
    """Some jobs, newest first; `next` asks for those after them, null on the last page."""

    jobs: tuple[JobDocument, ...]
    next: str | None


class Event(Answer):
    """Something that happened to a job; numbers count from 1 in each job."""

    number: int
    kind: Literal["state", "stage", "progress", "log"]
    at: Seconds
    data: dict[str, JsonValue]


class TrialDocument(Answer):
    """One policy that a job's search has scored; costs that are not known are left out."""

    number: int
    agent: str
    reward: float | None
    score: float | None
    costs: dict[str, float]
    widths: tuple[int, ...] = Field(description="channels kept, in the order of `groups` of the policy")


class Artefact(Answer):
    """A file that a job has made."""

    name: str
    bytes: int


class UploadDocument(Answer):
    """A file that was uploaded; jobs name it by its id."""

    id: str
    kind: UploadKind
    bytes: int
    sha256: str
    owner: str
    created: Seconds


class DeviceDocument(Answer):
    """A device that jobs can be measured on."""

    name: str
    provider: str
    workers: int = Field(description="worker processes that serve it now")
    queued: int
    running: int


class TableNetwork(Answer):
    """One network of a latency table."""

    name: str
    digest: str
    input_shape: tuple[int, ...]
    within_5pct: float | None


class TableDocument(Answer):
    """A latency table: an installed one (DEVICE/NAME), or an uploaded one by its id."""

    name: str
    device: str
    provider: str
    threads: int
    runtime: str
    created: str
    kernels: int
    networks: tuple[TableNetwork, ...]


class VerifyRequest(Answer):
    """Which network of a table to check, on how many unseen copies of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str = Field(description="an installed table, DEVICE/NAME, or an uploaded one's id")
    model: str = Field(description="a model that the server allows")
    input: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = Field((), max_length=6, description="batch first")
    networks: int = Field(30, ge=2, le=1000)


class MeasureRequest(Answer):
    """Which uploaded ONNX networks to measure, in turns, so that their ratios hold while the machine drifts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: tuple[str, ...] = Field(min_length=1, max_length=8, description="ids of uploads of kind network")
    threads: int = Field(1, ge=1, description="of the runtime")


class MeasuredNetwork(Answer):
    """Latency of one network: median and half the interquartile range of rounds, in ms per inference of one batch."""

    upload: str
    median_ms: float
    spread_ms: float
    runs: int


class TokenDocument(Answer):
    """A token; `token` itself is told once, when it is made."""

    id: str
    name: str
    scope: Scope
    created: Seconds
    token: str | None = None


class Health(Answer):
    """Whether the service can take jobs, and if not, why."""

    ready: bool
    version: str
    workers: int
    free_bytes: int
    reason: str | None = None
