"""A latency table: one device's kernel times, and how they add up in the networks profiled; free of torch and pydantic.

`autoprune.tables` reads and checks files, this module is what they say and writes them.
"""

from __future__ import annotations

import dataclasses
import datetime
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, Self

from autoprune.cost import Kernel, Measurement
from autoprune.errors import BadInput, UnknownKernel
from autoprune.files import write_atomic
from autoprune.profiler.energy.energy_model import EnergyModel
from autoprune.profiler.plan.blueprint import Blueprint
from autoprune.profiler.plan.kernel_plan import KernelPlan
from autoprune.profiler.runtime.fingerprint import Conditions, Fingerprint
from autoprune.space import ChannelGroup, Policy, SearchSpace

SCHEMA: Final = "autoprune.latency-table/2"

# What pydantic is to hold the fields of this file to when a table is read.
_STRICT: Final = {"extra": "forbid", "allow_inf_nan": False, "strict": True}


# Between these lie all times that a machine can tell: a picosecond, and eleven days. Predictions divide by them.
_SHORTEST_MS: Final = 1e-9
_LONGEST_MS: Final = 1e9
_MOST_TIMES: Final = 1e3
_WIDEST: Final = 1 << 20  # channels


def _require(rule: bool, message: str) -> None:
    if not rule:
        raise ValueError(message)


def _require_times(**times_ms: float) -> None:
    for name, ms in times_ms.items():
        _require(_SHORTEST_MS <= ms <= _LONGEST_MS, f"{name} must be positive, and at most {_LONGEST_MS:g}, got {ms}")


def _require_counts(**counts: int) -> None:
    for name, count in counts.items():
        _require(count >= 1, f"{name} must be at least 1, got {count}")


def _require_not_negative(**values: float) -> None:
    for name, value in values.items():
        _require(0 <= value <= _LONGEST_MS, f"{name} must not be negative, and at most {_LONGEST_MS:g}, got {value}")


def _require_shares(**shares: float) -> None:
    for name, share in shares.items():
        _require(0 <= share <= 1, f"{name} must lie in [0, 1], got {share}")


@dataclass(frozen=True, slots=True)
class Row:
    """One kernel: median and spread (half the interquartile range) of its time in ms.

    op: operator as the runtime executes it, with its layout and attributes. inputs, outputs: shapes,
    weights included. visits: times a network that holds it was loaded and run, one value each; runs:
    inferences behind these.
    """

    __pydantic_config__ = _STRICT

    op: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    ms: float
    spread_ms: float
    visits: int
    runs: int

    def __post_init__(self) -> None:
        _require(bool(self.op), "op must not be empty")
        _require(all(n >= 0 for shape in self.inputs + self.outputs for n in shape), "lengths must not be negative")
        _require_times(ms=self.ms)
        _require_not_negative(spread_ms=self.spread_ms)
        _require(self.runs >= self.visits >= 1, f"runs >= visits >= 1 must hold, got {self.runs} and {self.visits}")

    @classmethod
    def of(cls, kernel: Kernel, time: Measurement, runs: int) -> Self:
        """The row of a kernel: `time` in ms over visits, which had `runs` runs in all."""
        median, spread = float(f"{time.median:.6g}"), float(f"{time.spread:.3g}")
        return cls(kernel.op, kernel.inputs, kernel.outputs, median, spread, time.runs, runs)

    @property
    def kernel(self) -> Kernel:
        """What was measured."""
        return Kernel(self.op, self.inputs, self.outputs)

    @property
    def time(self) -> Measurement:
        """Its time in ms; `runs` are visits, which are what is independent."""
        return Measurement(self.ms, self.spread_ms, self.visits)


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How far two measurements of the same networks lie apart, as fractions: no prediction can be told to be better.

    mape: mean over the networks. max_error: the largest. drift: median change from the first to the
    second, signed.
    """

    __pydantic_config__ = _STRICT

    mape: float
    max_error: float
    drift: float


@dataclass(frozen=True, slots=True)
class VerifiedNetwork:
    """One unseen network: what the table says and what the clock says.

    measured_ms: median of both measurements, at the table's speed (see `Verification.speed`).
    error: (predicted - measured) / measured.
    """

    __pydantic_config__ = _STRICT

    widths: tuple[int, ...]
    predicted_ms: float
    measured_ms: float
    spread_ms: float
    first_ms: float
    second_ms: float
    error: float


@dataclass(frozen=True, slots=True)
class Verification:
    """How well a table predicts networks that it was not made from; errors are fractions.

    speed: how many times longer the network's anchors took now than when the table was measured;
    the change is taken out of the measured times (see `verify`). rank_correlation: Spearman's, 0 where all times are
    equal. within_noise: share of the networks whose error is within 5% or the noise floor's largest,
    whichever is larger. interpolated: share of the predicted kernels that have no row of their own.
    """

    __pydantic_config__ = _STRICT

    networks: int
    mape: float
    max_error: float
    within_5pct: float
    within_10pct: float
    within_noise: float
    rank_correlation: float
    interpolated: float
    speed: float
    noise_floor: NoiseFloor
    rows: tuple[VerifiedNetwork, ...] = ()

    def __post_init__(self) -> None:
        _require_shares(within_5pct=self.within_5pct, within_10pct=self.within_10pct)
        _require_shares(within_noise=self.within_noise, interpolated=self.interpolated)
        _require_counts(networks=self.networks)
        _require_not_negative(mape=self.mape, max_error=self.max_error)
        _require(self.speed > 0, f"speed must be positive, got {self.speed}")


@dataclass(frozen=True, slots=True)
class ProfiledGroup:
    """One channel group, and the widths of it that were measured (ascending)."""

    __pydantic_config__ = _STRICT

    name: str
    width: int
    unit: int
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        ascending = all(a < b for a, b in zip(self.widths, self.widths[1:], strict=False))
        _require(
            bool(self.widths) and ascending and self.widths[0] > 0 and self.widths[-1] == self.width,
            f"group {self.name}: widths must be positive, ascend and end with {self.width}, got {list(self.widths)}",
        )
        _require(self.width <= _WIDEST, f"group {self.name}: width must be at most {_WIDEST}, got {self.width}")
        _require_counts(unit=self.unit)


@dataclass(frozen=True, slots=True)
class Anchor:
    """One copy of a network that was measured as a whole: its widths, and its time in ms."""

    __pydantic_config__ = _STRICT

    widths: tuple[int, ...]
    ms: float

    def __post_init__(self) -> None:
        _require_times(ms=self.ms)


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """What the device executes for any width of one network, and how its kernels add up.

    A copy whose kernels take s ms takes constant_ms + s (scale + crowding ln(s / dense_ms)), see
    `whole.Composition`. networks: copies that this was fitted on; mape: mean error on them, each
    predicted without what was measured in it. anchors: some of these copies, by which a later session
    knows how much slower or faster the machine is. unexplained: share of the kernels' time in places
    that follow no rule and are in the fit only.
    """

    __pydantic_config__ = _STRICT

    name: str
    input_shape: tuple[int, ...]
    groups: tuple[ProfiledGroup, ...]
    plan: KernelPlan
    scale: float
    crowding: float
    constant_ms: float
    dense_ms: float
    anchors: tuple[Anchor, ...]
    networks: int
    mape: float
    unexplained: float
    verification: Verification | None = None

    def __post_init__(self) -> None:
        _require_counts(networks=self.networks, **{f"input_shape[{i}]": n for i, n in enumerate(self.input_shape)})
        _require_times(dense_ms=self.dense_ms)
        _require(bool(self.anchors), "there must be an anchor")
        _require(0 < self.scale <= _MOST_TIMES, f"scale must lie in (0, {_MOST_TIMES:g}], got {self.scale}")
        _require(abs(self.crowding) <= _MOST_TIMES, f"crowding must not exceed {_MOST_TIMES:g}, got {self.crowding}")
        dense_ms = self.constant_ms + self.scale * self.dense_ms
        _require(0 < dense_ms <= _LONGEST_MS, f"the dense network must take a positive time, got {dense_ms}")
        _require_not_negative(mape=self.mape)
        _require_shares(unexplained=self.unexplained)
        _require(bool(self.plan.sites), "the plan must have a kernel")
        beyond = [g for site in self.plan.sites for g in site.groups() if not 0 <= g < len(self.groups)]
        _require(not beyond, f"a kernel depends on group {beyond[:1]} of {len(self.groups)}")
        space, verified = self.space, self.verification.rows if self.verification is not None else ()
        for widths in (*(anchor.widths for anchor in self.anchors), *(row.widths for row in verified)):
            space.check(Policy(widths))

    @property
    def space(self) -> SearchSpace:
        """The groups with the widths that were measured; which layers they are in, a table does not know."""
        return SearchSpace(tuple(ChannelGroup(g.name, g.width, g.widths, (), g.unit) for g in self.groups))

    def offered(self, space: SearchSpace) -> SearchSpace:
        """`space` with the widths that were measured; raises `BadInput` where its groups are others."""
        mine = [(group.name, group.width, group.unit) for group in self.groups]
        if mine != [(group.name, group.width, group.unit) for group in space.groups]:
            raise BadInput(f"the table's network {self.name} has other channel groups; profile this one")
        return space.with_widths([group.widths for group in self.groups])


def _is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def groups_of(blueprint: Blueprint) -> tuple[ProfiledGroup, ...]:
    """The groups of a blueprint, with the widths that it offers."""
    return tuple(ProfiledGroup(g.name, g.width, g.unit, g.widths) for g in blueprint.space.groups)


@dataclass(frozen=True)
class LatencyTable:
    """Kernel times of one device in ms, and per network profiled how they add up.

    created: day (UTC) of the last measurement, YYYY-MM-DD. conditions: what else was so.
    reference: time in ms of the reference network meanwhile, by which sessions are compared. drift:
    half the interquartile range of the machine's speed, a fraction. disturbed: share of the runs in
    which another program took the processor. overhead_us: taken off every row, what the runtime's
    profiler adds to a kernel. energy: what a MAC, a byte and a second take. networks: by digest.
    """

    __pydantic_config__ = _STRICT

    schema: Literal["autoprune.latency-table/2"]
    units: Literal["ms"]
    created: str
    fingerprint: Fingerprint
    conditions: Conditions
    reference: Measurement
    drift: float
    disturbed: float
    overhead_us: float
    energy: EnergyModel
    networks: Mapping[str, NetworkProfile]
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        _require(_is_day(self.created), f"created must be a day, YYYY-MM-DD, got {self.created!r}")
        _require_times(reference=self.reference.median)
        _require_not_negative(spread=self.reference.spread, drift=self.drift, overhead_us=self.overhead_us)
        _require_counts(runs=self.reference.runs)
        _require_shares(disturbed=self.disturbed)
        kernels = [row.kernel for row in self.rows]
        _require(len(set(kernels)) == len(kernels), "a kernel has two rows")

    @cached_property
    def kernels(self) -> Mapping[Kernel, Measurement]:
        """Time in ms of every kernel measured."""
        return {row.kernel: row.time for row in self.rows}

    def row_energy_mj(self, row: Row) -> float | None:
        """What one execution of a row's kernel takes in mJ; None where its work is not known."""
        try:
            return self.energy.kernel_mj(row.kernel, row.ms)
        except UnknownKernel:
            return None

    def network(self, digest: str) -> NetworkProfile:
        """The network `digest`; raises `BadInput` where it was never profiled into this table."""
        if digest not in self.networks:
            held = (f"{n.name} at {'x'.join(map(str, n.input_shape))}" for n in self.networks.values())
            known = ", ".join(sorted(held)) or "none"
            raise BadInput(
                f"the latency table does not hold this network at this input (it holds {known}); "
                "profile it into the table with autoprune profile --out TABLE"
            )
        return self.networks[digest]

    def verified(self, digest: str, verification: Verification) -> LatencyTable:
        """The same table, with the result of a check of network `digest`."""
        network = dataclasses.replace(self.network(digest), verification=verification)
        return dataclasses.replace(self, networks={**self.networks, digest: network})

    def to_json(self) -> str:
        """The file's text: rows sorted and one a line, so that tables can be compared by `diff`."""
        content = document(self)
        content["rows"].sort(key=lambda row: (row["op"], row["inputs"], row["outputs"]))
        return _written({"sha256": checksum(content), **content}) + "\n"

    def save(self, path: Path) -> None:
        """Write the table to `path` in one step (a reader sees the old file or the whole new one), packed for `.gz`."""
        text = self.to_json().encode()
        write_atomic(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def document(value: Any) -> Any:
    """`value` as JSON's types: a dataclass as an object of its fields, those at their default left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {f.name: document(held) for f, held in fields if held != f.default}
    if isinstance(value, Mapping):
        return {key: document(held) for key, held in value.items()}
    if isinstance(value, (tuple, list)):
        return [document(held) for held in value]
    return value


def checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of the content as JSON with sorted keys and without spaces; the stated checksum is not part of it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _written(value: Any, indent: str = "") -> str:
    """JSON with one key a line, and one element a line in lists of objects."""
    inner = indent + " "
    if isinstance(value, dict) and any(isinstance(held, (dict, list)) for held in value.values()):
        lines = [f"{inner}{json.dumps(key)}: {_written(held, inner)}" for key, held in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(inner + json.dumps(held) for held in value) + f"\n{indent}]"
    return json.dumps(value)
