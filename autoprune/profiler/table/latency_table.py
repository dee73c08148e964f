"""A latency table: one device's kernel times, and how they add up in the networks profiled; free of torch and pydantic.

`autoprune.tables` reads and checks files, this module is what they say and writes them.
"""

from __future__ import annotations

import dataclasses
import datetime
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from autoprune.cost import Kernel, Measurement
from autoprune.errors import BadInput, UnknownKernel
from autoprune.files import write_atomic
from autoprune.profiler.energy.energy_model import EnergyModel
from autoprune.profiler.runtime.fingerprint import Conditions, Fingerprint
from autoprune.profiler.table.network_profile import NetworkProfile
from autoprune.profiler.table.row import Row
from autoprune.profiler.table.rules import (
    STRICT,
    require,
    require_counts,
    require_not_negative,
    require_shares,
    require_times,
)
from autoprune.profiler.table.verification import Verification
from autoprune.profiler.table.written import checksum, document, written

SCHEMA: Final = "autoprune.latency-table/2"


@dataclass(frozen=True)
class LatencyTable:
    """Kernel times of one device in ms, and per network profiled how they add up.

    created: day (UTC) of the last measurement, YYYY-MM-DD. conditions: what else was so.
    reference: time in ms of the reference network meanwhile, by which sessions are compared. drift:
    half the interquartile range of the machine's speed, a fraction. disturbed: share of the runs in
    which another program took the processor. overhead_us: taken off every row, what the runtime's
    profiler adds to a kernel. energy: what a MAC, a byte and a second take. networks: by digest.
    """

    __pydantic_config__ = STRICT

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
        require(_is_day(self.created), f"created must be a day, YYYY-MM-DD, got {self.created!r}")
        require_times(reference=self.reference.median)
        require_not_negative(spread=self.reference.spread, drift=self.drift, overhead_us=self.overhead_us)
        require_counts(runs=self.reference.runs)
        require_shares(disturbed=self.disturbed)
        kernels = [row.kernel for row in self.rows]
        require(len(set(kernels)) == len(kernels), "a kernel has two rows")

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
        return written({"sha256": checksum(content), **content}) + "\n"

    def save(self, path: Path) -> None:
        """Write the table to `path` in one step (a reader sees the old file or the whole new one), packed for `.gz`."""
        text = self.to_json().encode()
        write_atomic(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
