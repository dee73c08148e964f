"""A latency table: one device's kernel times as a JSON file that a person can read and compare; free of torch."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autoprune.cost import Kernel, Measurement
from autoprune.errors import BadInput, CorruptFile
from autoprune.profiler.fingerprint import DeviceFingerprint

SCHEMA: Final = "autoprune.latency-table/1"

Length = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Microseconds = Milliseconds
Fraction = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Part):
    """One kernel: median and spread of its time over `visits`, the times a network that holds it was loaded and run."""

    op: str = Field(min_length=1, description="operator as the runtime executes it, with its layout and attributes")
    inputs: tuple[tuple[Length, ...], ...] = Field(description="shapes of its inputs, weights included")
    outputs: tuple[tuple[Length, ...], ...] = Field(description="shapes of its outputs")
    ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(description="median, ms")
    spread_ms: Milliseconds = Field(description="half the interquartile range, ms")
    visits: Count

    @classmethod
    def of(cls, kernel: Kernel, time: Measurement) -> Self:
        """The row of a measured kernel."""
        return cls(
            op=kernel.op,
            inputs=kernel.inputs,
            outputs=kernel.outputs,
            ms=float(f"{time.median:.6g}"),
            spread_ms=float(f"{time.spread:.3g}"),
            visits=time.runs,
        )

    @property
    def kernel(self) -> Kernel:
        """What was measured."""
        return Kernel(self.op, self.inputs, self.outputs)

    @property
    def time(self) -> Measurement:
        """Its time in ms."""
        return Measurement(self.ms, self.spread_ms, self.visits)


class NoiseFloor(_Part):
    """How far two measurements of the same networks lie apart, as fractions: no prediction can be told to be better."""

    mape: Fraction = Field(description="mean over the networks")
    max_error: Fraction = Field(description="largest of the networks")
    drift: Finite = Field(description="median change from the first to the second, signed")


class VerifiedNetwork(_Part):
    """One unseen network: what the table says and what the clock says."""

    widths: tuple[Count, ...]
    predicted_ms: Milliseconds
    measured_ms: Milliseconds = Field(description="median of both measurements")
    spread_ms: Milliseconds
    first_ms: Milliseconds
    second_ms: Milliseconds
    error: Finite = Field(description="(predicted - measured) / measured")


class Verification(_Part):
    """How well a table predicts networks that it was not made from; errors are fractions."""

    networks: Count
    mape: Fraction
    max_error: Fraction
    within_5pct: Fraction
    within_10pct: Fraction
    rank_correlation: Finite = Field(description="Spearman's; 0 where all times are equal")
    noise_floor: NoiseFloor
    rows: tuple[VerifiedNetwork, ...] = ()


class NetworkFit(_Part):
    """How a network's time follows from its kernels': constant_ms + scale x their sum."""

    name: str = Field(description="the network, for people; the runtime's kernels identify it")
    scale: Finite
    constant_ms: Finite
    networks: Count = Field(description="pruned copies it was fitted on")
    mape: Fraction = Field(description="mean error on these copies")
    unexplained: Fraction = Field(description="share of the kernels' time that follows no rule and is in the fit only")
    verification: Verification | None = None


class LatencyTable(_Part):
    """Kernel times of one device, and per network profiled how they add up."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    format: Literal["autoprune.latency-table/1"] = Field(SCHEMA, alias="schema")
    created: datetime.date = Field(description="day (UTC) of the last measurement in it")
    fingerprint: DeviceFingerprint
    drift: Fraction = Field(description="half the interquartile range of the machine's speed while measuring")
    disturbed: Fraction = Field(
        0.0, description="share of the runs set aside because another program took the processor"
    )
    overhead_us: Microseconds = Field(
        0.0, description="taken off every row: what the runtime's profiler adds to a kernel"
    )
    networks: dict[str, NetworkFit] = Field(default_factory=dict, description="by digest of the dense kernels")
    rows: tuple[Row, ...]

    @cached_property
    def kernels(self) -> Mapping[Kernel, Measurement]:
        """Time in ms of every kernel measured."""
        return {row.kernel: row.time for row in self.rows}

    def fit(self, digest: str) -> NetworkFit:
        """How the network `digest` adds up; raises `BadInput` where it was never profiled into this table."""
        if digest not in self.networks:
            known = ", ".join(sorted(fit.name for fit in self.networks.values())) or "none"
            raise BadInput(
                f"the latency table does not hold this network (it holds {known}); "
                "profile it into the table with autoprune profile --out TABLE"
            )
        return self.networks[digest]

    def verified(self, digest: str, verification: Verification) -> LatencyTable:
        """The same table, with the result of a check of network `digest`."""
        fit = self.fit(digest).model_copy(update={"verification": verification})
        return self.model_copy(update={"networks": {**self.networks, digest: fit}})

    def merge(self, newer: LatencyTable) -> LatencyTable:
        """Both tables' rows and networks; the newer ones where both have one.

        Raises `ForeignTable` where they are not of one device.
        """
        self.fingerprint.require_same(newer.fingerprint)
        rows = {row.kernel: row for row in (*self.rows, *newer.rows)}
        return LatencyTable(
            created=max(self.created, newer.created),
            fingerprint=self.fingerprint,
            drift=max(self.drift, newer.drift),
            disturbed=max(self.disturbed, newer.disturbed),
            overhead_us=newer.overhead_us,
            networks={**self.networks, **newer.networks},
            rows=tuple(rows.values()),
        )

    def to_json(self) -> str:
        """The file's text: keys in order, rows sorted and one a line, so that tables can be compared by `diff`."""
        content = self.model_dump(mode="json", by_alias=True)
        rows = sorted(content.pop("rows"), key=lambda row: (row["op"], row["inputs"], row["outputs"]))
        head = {"sha256": _checksum({**content, "rows": rows}), **content}
        lines = ",\n  ".join(json.dumps(row) for row in rows)
        return f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n  {lines}\n ]\n}}\n'

    def save(self, path: Path) -> None:
        """Write the table to `path` in one step: a reader sees the old file or the whole new one."""
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                file.write(self.to_json())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise BadInput(f"{path}: the latency table cannot be written there ({error.strerror})") from None
        finally:
            if temporary.exists():
                temporary.unlink()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a table.

        Raises `BadInput` where there is none or it has another schema, `CorruptFile` where it is
        truncated, not a table, or does not match its checksum.
        """
        content = _read(path)
        schema = content.get("schema")
        if not isinstance(schema, str) or not schema.startswith("autoprune.latency-table/"):
            raise CorruptFile(
                f"{path}: not a latency table (its schema is {schema!r}); make one with autoprune profile"
            )
        if schema != SCHEMA:
            raise BadInput(f"{path}: schema {schema} is not {SCHEMA}, the one this version reads; profile again")
        stated = content.pop("sha256", None)
        if stated != _checksum(content):
            raise CorruptFile(f"{path}: the content does not match its checksum; restore the file or profile again")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise CorruptFile(f"{path}: {where}: {first['msg']}; restore the file or profile again") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such latency table; make one with autoprune profile --out {path}") from None
    except OSError as error:
        raise BadInput(f"{path}: the latency table cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise CorruptFile(f"{path}: truncated or not JSON; restore the file or profile again") from None
    if not isinstance(content, dict):
        raise CorruptFile(f"{path}: not a latency table but a JSON {type(content).__name__}")
    return content


def _checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content as JSON with sorted keys and without spaces; the stated checksum is not part of it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
