"""A kernel plan with made-up times: convolutions in stairs of 16 channels."""

from __future__ import annotations

from autoprune.cost import Extent, Kernel, Measurement
from autoprune.profiler.plan.extents import Axis, Length, Region
from autoprune.profiler.plan.kernel_plan import KernelPlan, PlannedSite, Presence
from autoprune.profiler.table.composition import Composition
from autoprune.profiler.table.interpolation import KernelTimes
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.space import ChannelGroup, SearchSpace

WIDTHS = (4, 8, 12, 16, 32)


def site(name: str, *axes: Length, presence: Presence | None = None) -> PlannedSite:
    return PlannedSite(name, name, (axes,), (), presence)


def kernel(op: str, *lengths: int) -> Kernel:
    return Kernel(op, (lengths,), ())


def channels(group: int, block: int = 1) -> Axis:
    return Axis(Extent(0, ((group, 1),)), block)


A = ChannelGroup("a", 32, WIDTHS, ("a",))
B = ChannelGroup("b", 8, (4, 8), ("b",))
SPACE = SearchSpace((A, B))
# Convolutions in blocks of 16, a reorder where the channels are no multiple of 16, one kernel of two groups.
PLAN = KernelPlan(
    (
        site("stem", 7),
        site("conv", channels(0, 16)),
        site("reorder", channels(0), presence=Presence(Extent(0, ((0, 1),)), Region(but=Region(step=16)))),
        site("pair", channels(0, 16), channels(1)),
    )
)
CONV_MS = {16: 1.0, 32: 2.0}


def times(spread: float = 0.0) -> dict[Kernel, Measurement]:
    rows = {kernel("stem", 7): 5.0}
    rows |= {kernel("conv", n): ms for n, ms in CONV_MS.items()}
    rows |= {kernel("reorder", n): 0.25 for n in (4, 8, 12)}
    rows |= {kernel("pair", n, b): n * b / 100 for n in (16, 32) for b in (4, 8)}
    return {k: Measurement(ms, spread, 4) for k, ms in rows.items()}


def timed(
    rows: dict[Kernel, Measurement] | None = None, scale: float = 1.0, constant_ms: float = 0.0, crowding: float = 0.0
) -> TimedPlan:
    composition = Composition(scale, crowding, constant_ms, 10.0)
    return TimedPlan(SPACE, PLAN, KernelTimes(times() if rows is None else rows), composition)
