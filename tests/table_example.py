"""A latency table that no device was measured for."""

from __future__ import annotations

from collections.abc import Mapping

from autoprune.cost import Extent, Kernel, Measurement
from autoprune.profiler.energy.energy_model import EnergyModel
from autoprune.profiler.plan.extents import Axis, Region
from autoprune.profiler.plan.kernel_plan import KernelPlan, PlannedSite, Presence
from autoprune.profiler.runtime.fingerprint import Conditions, Fingerprint
from autoprune.profiler.table.latency_table import SCHEMA, LatencyTable
from autoprune.profiler.table.network_profile import Anchor, NetworkProfile, ProfiledGroup
from autoprune.profiler.table.row import Row
from autoprune.space import ChannelGroup, SearchSpace

INNER, OUTER = Extent(0, ((0, 1),)), Extent(0, ((1, 2),))


def digest() -> str:
    """What the table calls its one network."""
    return "0123456789abcdef"


def example_space() -> SearchSpace:
    """The channel groups of that network: one of single channels, one of pairs."""
    inner = ChannelGroup("inner", 24, (8, 16, 24), ("inner",))
    return SearchSpace((inner, ChannelGroup("outer", 16, (8, 16), ("outer",), unit=2)))


def example_plan() -> KernelPlan:
    """A fixed kernel, one of one group, one that comes and goes, one of two groups in blocks of 16 channels."""
    blocked = Axis(INNER, 16, Region(least=8))
    there = Presence(INNER, Region(but=Region(step=16)))
    return KernelPlan(
        (
            PlannedSite("stem", "Conv", ((1, 3), (8, 3)), ((1, 8),)),
            PlannedSite("relu", "Relu", ((1, Axis(INNER)),), ((1, Axis(INNER)),)),
            PlannedSite("reorder", "ReorderInput", ((1, Axis(INNER)),), ((1, blocked),), there),
            PlannedSite("pair", "Conv.nchwc", ((1, blocked), (Axis(OUTER), blocked)), ((1, Axis(OUTER)),)),
        )
    )


def example_rows() -> dict[Kernel, Measurement]:
    """Times in ms of all kernels that the plan asks for."""
    rows = {Kernel("Conv", ((1, 3), (8, 3)), ((1, 8),)): Measurement(0.5, 0.02, 5)}
    rows |= {Kernel("Relu", ((1, n),), ((1, n),)): Measurement(n / 32, 0.01, 5) for n in (8, 16, 24)}
    rows |= {
        Kernel("ReorderInput", ((1, n),), ((1, full),)): Measurement(0.1, 0.01, 5) for n, full in ((8, 16), (24, 32))
    }
    rows |= {
        Kernel("Conv.nchwc", ((1, a), (b, a)), ((1, b),)): Measurement(a * b / 256, 0.01, 5)
        for a in (16, 32)
        for b in (8, 16)
    }
    return rows


def example_fingerprint(threads: int = 1, cpu: str = "Example CPU") -> Fingerprint:
    """A device."""
    return Fingerprint(
        cpu=cpu,
        architecture="x86_64",
        cores=4,
        instructions=("avx2", "fma"),
        system="Linux",
        runtime="onnxruntime 1.0",
        provider="cpu",
        threads=threads,
    )


def example_network(name: str = "small") -> NetworkProfile:
    """The network of `example_plan`."""
    return NetworkProfile(
        name=name,
        input_shape=(1, 3),
        groups=tuple(ProfiledGroup(g.name, g.width, g.unit, g.widths) for g in example_space().groups),
        plan=example_plan(),
        scale=1.0,
        crowding=0.01,
        constant_ms=0.1,
        dense_ms=3.35,
        anchors=(Anchor(example_space().dense().widths, 3.45),),
        networks=20,
        mape=0.01,
        unexplained=0.0,
    )


def example_table(
    rows: Mapping[Kernel, Measurement] | None = None,
    networks: Mapping[str, NetworkProfile] | None = None,
    *,
    threads: int = 1,
    day: str = "2026-01-01",
    reference_ms: float = 1.0,
    energy: EnergyModel | None = None,
) -> LatencyTable:
    """A table of a few made-up kernels."""
    times = example_rows() if rows is None else rows
    return LatencyTable(
        schema=SCHEMA,
        units="ms",
        created=day,
        fingerprint=example_fingerprint(threads),
        conditions=Conditions("performance", 0.5),
        reference=Measurement(reference_ms, 0.01, 40),
        drift=0.01,
        disturbed=0.0,
        overhead_us=2.0,
        energy=energy or EnergyModel.modelled("an example"),
        networks={digest(): example_network()} if networks is None else dict(networks),
        rows=tuple(Row.of(kernel, time, 10 * time.runs) for kernel, time in times.items()),
    )
