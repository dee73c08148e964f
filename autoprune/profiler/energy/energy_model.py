"""Energy of a network: from what its kernels do and how long they take, with constants measured here or cited.

Computing and moving data take energy (Yang, Chen and Sze, Designing Energy-Efficient Convolutional
Neural Networks Using Energy-Aware Pruning, CVPR 2017), and so does being switched on meanwhile. Where
the machine has a meter, what a MAC, a byte and a second take is fitted to whole networks that ran under
it; elsewhere it is modelled with published constants. Numbers of either kind carry its name.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

import numpy as np

from autoprune.cost import FloatArray, Kernel
from autoprune.device import Device
from autoprune.errors import UnknownKernel
from autoprune.profiler.energy.meter import Meter, NoMeter, find_meter
from autoprune.profiler.energy.work import Work, work
from autoprune.profiler.least_squares import nonnegative
from autoprune.profiler.listening import OnProgress, silent
from autoprune.profiler.runtime.session import Session

# Horowitz, Computing's Energy Problem (and what we can do about it), ISSCC 2014, 45 nm: a 32-bit
# floating-point multiplication takes 3.7 pJ and an addition 0.9 pJ; 64 bits of DRAM take 1.3 to 2.6 nJ, of which
# the lower end is the 640 pJ a 32-bit word of Han et al., Learning both Weights and Connections, NIPS 2015, figure 1.
PJ_PER_MAC: Final = 4.6  # 3.7 + 0.9
PJ_PER_BYTE: Final = 640 / 4

# What pydantic is to hold the model to when a table is read.
_STRICT: Final = {"extra": "forbid", "allow_inf_nan": False, "strict": True}

_PJ_TO_MJ = 1e-9
_WARM_UP = 0.2  # of a window
_MOST_NETWORKS = 12
_FEWEST_NETWORKS = 5


@dataclass(frozen=True, slots=True)
class EnergyModel:
    """What a multiply-accumulate, a byte moved and a second take on one device.

    pj_per_mac, pj_per_byte: picojoules. static_watts: power drawn whatever is computed, for as long
    as it takes. source: `measured` where the three are fitted to networks under a meter, `modelled`
    where they are the published constants. meter: which one (nvml, rapl, ...). networks: how many
    were fitted; error: mean relative error on each of them when fitted to the others. why: for what
    reason nothing was measured.
    """

    __pydantic_config__ = _STRICT

    source: Literal["measured", "modelled"]
    pj_per_mac: float
    pj_per_byte: float
    static_watts: float
    meter: str = ""
    networks: int = 0
    error: float | None = None
    why: str = ""

    def __post_init__(self) -> None:
        constants = (self.pj_per_mac, self.pj_per_byte, self.static_watts)
        if not all(math.isfinite(value) and value >= 0 for value in constants):
            raise ValueError(f"energies must be finite and not negative, got {constants}")
        if self.source not in ("measured", "modelled"):
            raise ValueError(f"source must be measured or modelled, got {self.source!r}")
        proven = bool(self.meter) and self.networks >= 1 and self.error is not None and 0 <= self.error < math.inf
        nothing = (self.meter, self.networks, self.error) == ("", 0, None)
        if not (proven if self.source == "measured" else nothing):
            raise ValueError("energy is measured where meter, networks and error are stated, and only there")

    @classmethod
    def modelled(cls, why: str = "") -> Self:
        """The published constants; `why` says what kept the energy from being measured."""
        return cls("modelled", PJ_PER_MAC, PJ_PER_BYTE, 0.0, why=why)

    def dynamic_mj(self, kernel: Kernel) -> float:
        """Millijoules that `kernel` takes for computing and moving data; raises `UnknownKernel`."""
        done = work(kernel)
        return (self.pj_per_mac * done.macs + self.pj_per_byte * done.moved_bytes) * _PJ_TO_MJ

    def kernel_mj(self, kernel: Kernel, ms: float) -> float:
        """Millijoules of one execution of `kernel`, which takes `ms` milliseconds; raises `UnknownKernel`."""
        return self.dynamic_mj(kernel) + self.static_watts * ms

    def at_speed(self, factor: float) -> EnergyModel:
        """The same energies for times of a machine that takes `factor` times as long."""
        return replace(self, static_watts=self.static_watts / factor)

    def __str__(self) -> str:
        constants = f"{self.pj_per_mac:.3g} pJ a MAC, {self.pj_per_byte:.3g} pJ a byte"
        if self.source == "modelled":
            because = f"; not measured: {self.why}" if self.why else ""
            return f"modelled: {constants} (Horowitz, ISSCC 2014){because}"
        fitted = f"by {self.meter} on {self.networks} networks, held-out error {100 * (self.error or 0):.1f}%"
        return f"measured: {constants}, {self.static_watts:.3g} W static, {fitted}"


@dataclass(frozen=True, slots=True)
class Consumption:
    """What one inference of a network takes: means over the `runs` of one window, in mJ and ms."""

    mj: float
    ms: float
    runs: int


def consumption(session: Session, meter: Meter) -> Consumption:
    """Run the network over and over for one window of `meter`, after a fifth of one to warm up.

    The whole of what the meter sees is counted, idle cores too. Raises `NoMeter` where its counter stands still.
    """
    _run_for(session, meter.window_s * _WARM_UP)
    meter.begin()
    runs, took_s = _run_for(session, meter.window_s)
    joules = meter.end()
    if not joules > 0:
        raise NoMeter(f"the {meter.name} counter does not move")
    return Consumption(joules / runs * 1e3, took_s / runs * 1e3, runs)


def _run_for(session: Session, seconds: float) -> tuple[int, float]:
    """Inferences in `seconds`, at least one, and how long they took in seconds."""
    start, runs, took = time.perf_counter(), 0, 0.0
    while not runs or took < seconds:
        session.run()
        runs += 1
        took = time.perf_counter() - start
    return runs, took


def energy_of(
    networks: Sequence[Callable[[], bytes]], kernels: Sequence[Sequence[Kernel]], device: Device, tell: OnProgress
) -> EnergyModel:
    """What computing and moving data takes here: measured on `networks` where there is a meter, else modelled, and why.

    `kernels` are those that each network executes.
    """
    try:
        return measure_energy(networks, kernels, find_meter(device), device=device, tell=tell)
    except (NoMeter, UnknownKernel) as why:
        tell(f"energy is modelled: {why}", 1.0)
        return EnergyModel.modelled(str(why))


def measure_energy(
    networks: Sequence[Callable[[], bytes]],
    kernels: Sequence[Sequence[Kernel]],
    meter: Meter,
    *,
    device: Device,
    tell: OnProgress = silent,
) -> EnergyModel:
    """Run up to twelve of `networks`, of all sizes, under `meter`, one window each, and fit what their work takes.

    `kernels` are those that each network executes. Raises `NoMeter` where the counter stands still or
    there are fewer than five networks, `UnknownKernel` where the work of one is not known.
    """
    if len(networks) < _FEWEST_NETWORKS:
        raise NoMeter(f"{len(networks)} networks are too few to fit energies to, it takes {_FEWEST_NETWORKS}")
    works = [_sum(work(kernel) for kernel in of) for of in kernels]
    chosen = _spread_by_size(works)
    taken = []
    for done, k in enumerate(chosen, 1):
        taken.append(consumption(Session(networks[k](), device), meter))
        tell("measuring energy", done / len(chosen))
    return fit_energy([works[k] for k in chosen], taken, meter.name)


def _sum(works: Iterable[Work]) -> Work:
    each = list(works)
    return Work(sum(one.macs for one in each), sum(one.moved_bytes for one in each))


def _spread_by_size(works: Sequence[Work]) -> list[int]:
    """Indices of up to twelve networks, evenly spread over the ranks of their MACs, large and small in turns."""
    ranked = sorted(range(len(works)), key=lambda k: (works[k].macs, k))
    places = np.linspace(0, len(ranked) - 1, min(_MOST_NETWORKS, len(ranked))).round().astype(int)
    chosen = [ranked[place] for place in places]
    # In order of size a machine that warms up would look like networks that take more.
    return [*chosen[::2], *chosen[1::2][::-1]]


def fit_energy(works: Sequence[Work], taken: Sequence[Consumption], meter: str) -> EnergyModel:
    """The energies, none negative, with the least squared relative error on networks of known work and consumption."""
    mj = np.array([one.mj for one in taken])
    columns = [
        [one.macs * _PJ_TO_MJ for one in works],
        [one.moved_bytes * _PJ_TO_MJ for one in works],
        [one.ms for one in taken],
    ]
    features = np.array(columns, dtype=np.float64).T / mj[:, None]  # times the energies these are 1
    others = (np.delete(features, k, axis=0) for k in range(len(mj)))
    errors = [abs(float(own @ _energies(rest)) - 1) for own, rest in zip(features, others, strict=True)]
    pj_per_mac, pj_per_byte, static_watts = (float(f"{value:.4g}") for value in _energies(features))
    return EnergyModel(
        source="measured",
        pj_per_mac=pj_per_mac,
        pj_per_byte=pj_per_byte,
        static_watts=static_watts,
        meter=meter,
        networks=len(mj),
        error=float(f"{np.mean(errors):.3g}"),
    )


def _energies(features: FloatArray) -> FloatArray:
    """Weights w >= 0 [3] for which features [n, 3] x w is as near to 1 as can be."""
    size = np.linalg.norm(features, axis=0)
    size[size == 0] = 1.0
    return np.asarray(nonnegative(features / size, np.ones(len(features))) / size)
