"""The server's settings: one TOML file, over it the flags of `autoprune serve`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from autoprune.errors import BadInput
from autoprune.spec import ModelSpec, TaskSpec, read_toml

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

# The names in `autoprune.models`, which would bring torch into the server; a test compares the two.
BUILTIN_MODELS = ("digits_cnn", "resnet20", "resnet32", "resnet44", "resnet56")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AllowedModel(_Section):
    """A network that jobs may name: what it is called in a RunSpec here, and its options."""

    name: str | None = Field(None, description="built-in, torchvision or timm name, or module:function; else the key")
    weights: Path | None = Field(None, description="its weights, where a job uploads none")
    options: dict[str, Any] = Field(default_factory=dict)

    def spec(self, key: str, uploaded: Path | None = None) -> ModelSpec:
        """The section of a RunSpec."""
        return ModelSpec(name=self.name or key, weights=uploaded or self.weights, options=self.options)


class AllowedTask(_Section):
    """A task that jobs may name, and where its data lie on the server."""

    name: str | None = Field(None, description="digits, cifar10, imagefolder, or module:function; else the key")
    data: Path | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    def spec(self, key: str, asked: TaskSpec) -> TaskSpec:
        """The section of a RunSpec, with as many images as were asked for."""
        return asked.model_copy(update={"name": self.name or key, "data": self.data, "options": self.options})


class AllowedDevice(_Section):
    """A device that jobs are measured on; one at a time, whatever the number of workers."""

    provider: Literal["cpu", "cuda"] = "cpu"


class Limits(_Section):
    """How much one job, one request or one token may ask for."""

    trials: int = Field(10_000, ge=1)
    epochs: int = Field(1000, ge=0)
    images: int = Field(100_000, ge=1, description="of each split")
    steps: int = Field(100_000, ge=0, description="of a block's reconstruction")
    seconds: float = Field(3600, gt=0, description="for profiling")
    threads: int = Field(64, ge=1)
    devices: int = Field(8, ge=1, description="that fine-tuning runs on")
    batch: int = Field(1024, ge=1)
    request_bytes: int = Field(1 << 20, ge=1024)
    upload_bytes: int = Field(1 << 30, ge=1024)
    stored_bytes: int = Field(10 << 30, ge=1024, description="of all uploads of a token")
    waiting_jobs: int = Field(100, ge=1, description="of a token, queued and running")
    requests_per_second: float = Field(100, gt=0, description="of a token, or of an address without one")
    burst: int = Field(400, ge=1, description="requests at once")
    streams: int = Field(500, ge=1, description="of events, open at once")
    busy_seconds: float = Field(
        5.0, gt=0, description="that a request waits for another program's lock on a SQLite file"
    )
    free_bytes: int = Field(256 << 20, ge=0, description="of disk that have to be free for a job to be taken")


class Settings(_Section):
    """All of it. Names in `models`, `tasks` and `devices` are the only ones that a job can give."""

    data: Path = Field(Path("autoprune-service"), description="folder of the database, uploads and runs")
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    database: str | None = Field(None, description="a SQLAlchemy URL; by default a SQLite file in the data folder")
    authentication: Literal["auto", "always"] = Field(
        "auto", description="auto asks for tokens off loopback, and on it as soon as there is a token"
    )
    hosts: tuple[str, ...] = Field((), description="further names that the server is reached by")
    workers: int = Field(1, ge=0, description="worker processes that the server starts")
    niceness: int = Field(10, ge=0, le=19, description="of workers, so that the server answers while they work")
    lease_seconds: float = Field(15.0, ge=1, description="a worker that is silent for so long has lost its jobs")
    models: dict[Name, AllowedModel] = Field(default_factory=lambda: {name: AllowedModel() for name in BUILTIN_MODELS})
    tasks: dict[Name, AllowedTask] = Field(default_factory=lambda: {"digits": AllowedTask()})
    devices: dict[Name, AllowedDevice] = Field(default_factory=lambda: {"local": AllowedDevice()}, min_length=1)
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _knows_its_database(self) -> Self:
        if self.database is not None and not self.database.startswith(("sqlite:///", "postgresql")):
            raise ValueError("database takes sqlite:///FILE or postgresql://..., got another URL")
        return self

    @classmethod
    def load(cls, path: Path | None, **flags: object) -> Self:
        """Read a TOML file, if one is given, and lay the flags that are not None over it; raises `BadInput`."""
        tree = {**(read_toml(path) if path else {}), **{k: v for k, v in flags.items() if v is not None}}
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            source = path or "the flags"
            raise BadInput(f"{source}: {where}: {first['msg'].removeprefix('Value error, ')}") from None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def database_url(self) -> str:
        """The database that is used."""
        return self.database or f"sqlite:///{(self.data / 'service.db').absolute()}"

    @property
    def uploads(self) -> Path:
        """Folder of the files that were uploaded, by id."""
        return self.data / "uploads"

    @property
    def runs(self) -> Path:
        """Folder of the jobs' run folders, by id."""
        return self.data / "runs"
