"""Meters of energy that a machine may have; the zeus package reads them, where it is installed."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from autoprune.device import Device
from autoprune.errors import AutopruneError

_WINDOW: Final = "autoprune"
_WINDOW_S: Final = 1.0  # NVML's counter is renewed every 20 to 100 ms, RAPL's every millisecond
_J_PER_MJ: Final = 1e-3
_PROBE_S: Final = 0.3


class NoMeter(AutopruneError):
    """Energy cannot be measured here; the message says for what reason, and what would help."""


class Meter(Protocol):
    """Something that counts energy, with `begin()` and `end()` in turns around what is to be measured.

    What is shorter than a window of `window_s` seconds it counts too coarsely.
    """

    @property
    def name(self) -> str:
        """What is read: nvml, rapl, apple or jetson."""
        ...

    @property
    def window_s(self) -> float:
        """How long a window is to be, in seconds."""
        ...

    def begin(self) -> None:
        """Start a window."""
        ...

    def end(self) -> float:
        """End it: joules since `begin`."""
        ...


@dataclass(frozen=True, slots=True)
class ZeusMeter:
    """A meter read through `monitor`, a `zeus.monitor.ZeusMonitor`; `joules` picks out of its measurement what counts.

    Windows are not synchronised with a GPU: ONNX Runtime returns from a run when its outputs are there.
    """

    name: str
    monitor: Any
    joules: Callable[[Any], float]
    window_s: float = _WINDOW_S

    def begin(self) -> None:
        """Start a window."""
        self.monitor.begin_window(_WINDOW, sync_execution=False, restart=True)

    def end(self) -> float:
        """End it: joules since `begin`."""
        return float(self.joules(self.monitor.end_window(_WINDOW, sync_execution=False)))


def find_meter(device: Device) -> Meter:
    """The meter that counts what networks on `device` take: the GPU's for provider cuda, else the processor's.

    NVIDIA GPUs through NVML, processors of Intel and AMD through RAPL (packages and, where it is
    counted, memory), Apple's and Jetson's systems on a chip. Raises `NoMeter`.
    """
    _require_zeus()
    try:
        meter = _gpu() if device.provider == "cuda" else _processor()
    except NoMeter as none:
        chip = _chip()
        if chip is None:
            raise none from None
        meter = chip
    meter.begin()
    time.sleep(_PROBE_S)
    if not meter.end() > 0:  # a machine that is switched on draws power; some virtual ones count none of it
        raise NoMeter(f"the {meter.name} counter does not move")
    return meter


def _require_zeus() -> None:
    if importlib.util.find_spec("zeus") is None:
        raise NoMeter("the zeus package is not installed (pip install 'autoprune[energy]')")
    try:
        import zeus.monitor  # noqa: F401
    except Exception as error:  # zeus loads the vendors' libraries, which fail in ways of their own
        raise NoMeter(f"the zeus package does not load here ({_first_line(error)})") from None


def _processor() -> Meter:
    from zeus.device import get_cpus
    from zeus.device.cpu.common import ZeusCPUInitError, ZeusCPUNoPermissionError
    from zeus.monitor import ZeusMonitor

    try:
        packages = len(get_cpus())
    except ZeusCPUNoPermissionError:
        raise NoMeter(
            "RAPL needs read access to /sys/class/powercap (run as root, or: sudo chmod -R a+r /sys/class/powercap)"
        ) from None
    except ZeusCPUInitError:
        packages = 0
    except Exception as error:
        raise NoMeter(f"RAPL cannot be read ({_first_line(error)})") from None
    if not packages:
        raise NoMeter("this machine shows no RAPL counters (virtual ones seldom do)")
    return ZeusMeter("rapl", ZeusMonitor(gpu_indices=[]), _package_joules)


def _package_joules(measured: Any) -> float:
    return float(sum((measured.cpu_energy or {}).values()) + sum((measured.dram_energy or {}).values()))


def _gpu() -> Meter:
    from zeus.device import get_gpus
    from zeus.device.gpu.common import ZeusGPUInitError
    from zeus.monitor import ZeusMonitor

    try:
        gpus = len(get_gpus())
    except ZeusGPUInitError:
        gpus = 0
    except Exception as error:
        raise NoMeter(f"NVML cannot be read ({_first_line(error)})") from None
    if not gpus:
        raise NoMeter("NVML shows no GPU")
    # ONNX Runtime computes on the first GPU that CUDA_VISIBLE_DEVICES leaves, and zeus counts them alike.
    return ZeusMeter("nvml", ZeusMonitor(gpu_indices=[0], cpu_indices=[]), lambda measured: measured.gpu_energy[0])


def _chip() -> Meter | None:
    """The sensors of a system on a chip, whose processors share one supply; None elsewhere."""
    from zeus.device import get_soc
    from zeus.monitor import ZeusMonitor

    try:
        chip = type(get_soc()).__name__
    except Exception:  # not one of these systems, or its sensors cannot be read
        return None
    joules = {"AppleSilicon": _apple_joules, "Jetson": _jetson_joules}.get(chip)
    if joules is None:
        return None
    name = "apple" if chip == "AppleSilicon" else "jetson"
    return ZeusMeter(name, ZeusMonitor(gpu_indices=[], cpu_indices=[]), joules)


def _apple_joules(measured: Any) -> float:
    """Processor cores and memory; what has no counter is None."""
    counted = measured.soc_energy
    return _J_PER_MJ * sum(part or 0 for part in (counted.cpu_total_mj, counted.dram_mj))


def _jetson_joules(measured: Any) -> float:
    """The whole board where it has a rail for that, else its processors."""
    counted = measured.soc_energy
    if counted.total_energy_mj is not None:
        return float(_J_PER_MJ * counted.total_energy_mj)
    return _J_PER_MJ * sum(part or 0 for part in (counted.cpu_energy_mj, counted.gpu_energy_mj))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
