"""A latency table that no device was measured for."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from autoprune.cost import Kernel, Measurement
from autoprune.profiler.fingerprint import DeviceFingerprint
from autoprune.profiler.table import LatencyTable, NetworkFit, Row


def digest() -> str:
    """What the table calls its one network."""
    return "0123456789abcdef"


def example_fingerprint(threads: int = 1, cpu: str = "Example CPU") -> DeviceFingerprint:
    """A device."""
    return DeviceFingerprint(
        cpu=cpu,
        architecture="x86_64",
        cores=4,
        instructions=("avx2", "fma"),
        system="Linux",
        runtime="onnxruntime 1.0",
        provider="cpu",
        threads=threads,
    )


def example_table(
    rows: Mapping[Kernel, Measurement] | None = None,
    networks: Mapping[str, NetworkFit] | None = None,
    *,
    threads: int = 1,
    day: datetime.date = datetime.date(2026, 1, 1),
) -> LatencyTable:
    """A table of a few made-up kernels."""
    if rows is None:
        rows = {Kernel("Relu", ((1, n),), ((1, n),)): Measurement(n / 32, 0.01, 5) for n in (8, 16, 24)}
    fit = NetworkFit(name="small", scale=1.0, constant_ms=0.1, networks=20, mape=0.01, unexplained=0.0)
    return LatencyTable(
        created=day,
        fingerprint=example_fingerprint(threads),
        drift=0.01,
        disturbed=0.0,
        overhead_us=2.0,
        networks=dict(networks if networks is not None else {digest(): fit}),
        rows=tuple(Row.of(kernel, time) for kernel, time in rows.items()),
    )
