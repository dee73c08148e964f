"""What must be equal for two devices to share kernel times, and what else was so meanwhile; free of torch."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import onnxruntime as ort

from autoprune.device import Device
from autoprune.errors import BadInput, ForeignTable
from autoprune.profiler.runtime.session import require_provider

# Instructions that ONNX Runtime's kernels choose by, as Linux names them.
_INSTRUCTIONS = (
    *("sse4_1", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme"),
)
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What may change on one device from hour to hour: noted beside the times, never a reason to refuse them.

    `governor` is the processor's frequency policy, `load` the system's load average over the last
    minute before the profiling began; None where the system does not tell.
    """

    governor: str | None = None
    load: float | None = None

    @classmethod
    def now(cls) -> Self:
        """The conditions of this moment."""
        governor = _GOVERNOR.read_text(encoding="utf-8").strip() if _GOVERNOR.is_file() else None
        load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
        return cls(governor, load)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The processor, the runtime and how it is used: kernel times hold only where all of it is equal.

    The batch is not here: it is part of every kernel's shapes.

    cpu: processor, as the operating system names it. architecture: such as x86_64 or aarch64.
    cores: logical cores of the machine. instructions: sets that the runtime's kernels choose by.
    system: operating system. runtime: its name and version. provider: execution provider.
    threads: intra-op threads. affinity: logical processors that the runtime was kept on, empty for
    all. gpu: graphics processor, for provider cuda.
    """

    cpu: str
    architecture: str
    cores: int
    instructions: tuple[str, ...]
    system: str
    runtime: str
    provider: str
    threads: int
    affinity: tuple[int, ...] = ()
    gpu: str | None = None

    def __post_init__(self) -> None:
        if self.cores < 1:
            raise BadInput(f"cores must be at least 1, got {self.cores}")
        Device(self.provider, self.threads, self.affinity)

    @classmethod
    def here(cls, device: Device) -> Self:
        """This machine, used as `device` says; raises `BadInput` where the provider is not installed."""
        require_provider(device)
        info = _cpu_info()
        return cls(
            cpu=_cpu_name(info),
            architecture=platform.machine(),
            cores=os.cpu_count() or 1,
            instructions=_instructions(info),
            system=platform.system(),
            runtime=f"onnxruntime {ort.__version__}",
            provider=device.provider,
            threads=device.threads,
            affinity=device.affinity,
            gpu=_gpu_name() if device.provider == "cuda" else None,
        )

    def differences(self, other: Fingerprint) -> list[str]:
        """What differs, one phrase a field: `threads 1 against 4`; empty where tables can be shared."""
        mine, theirs = asdict(self), asdict(other)
        return [
            f"{name} {_text(mine[name])} against {_text(theirs[name])}" for name in mine if mine[name] != theirs[name]
        ]

    def require_same(self, here: Fingerprint, *, allow_foreign: bool = False) -> None:
        """Raise `ForeignTable` where a table of this device does not hold `here`, unless foreign ones are allowed."""
        different = self.differences(here)
        if different and not allow_foreign:
            raise ForeignTable(
                f"the latency table was measured on another device: {'; '.join(different)} here. Profile this one "
                "(autoprune profile --out TABLE), or accept times that may be wrong with --allow-foreign-table."
            )

    @property
    def device(self) -> Device:
        """How networks are to be executed for these times to hold."""
        return Device(self.provider, self.threads, self.affinity)

    @property
    def folder(self) -> str:
        """A name for the folder of this device's tables: lower case letters, digits and dashes."""
        name = self.gpu if self.gpu else f"{self.cpu} {self.architecture}"
        return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _text(value: object) -> str:
    return (" ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def _cpu_info() -> dict[str, str]:
    """The first processor's entry in /proc/cpuinfo; empty on systems without one."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    lines = (line.partition(":") for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    entries: dict[str, str] = {}
    for key, colon, value in lines:
        if colon:
            entries.setdefault(key.strip(), value.strip())
    return entries


def _cpu_name(info: dict[str, str]) -> str:
    if "model name" in info:
        return info["model name"]
    if "CPU part" in info:  # Arm names parts by number: implementer and part together are one core design
        return f"Arm implementer {info.get('CPU implementer', '?')} part {info['CPU part']}"
    if platform.system() == "Darwin":
        return _first_line(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.processor()
    return platform.processor() or platform.machine()


def _instructions(info: dict[str, str]) -> tuple[str, ...]:
    flags = set((info.get("flags") or info.get("Features") or "").split())
    if not flags and platform.system() == "Darwin" and platform.machine() == "arm64":
        flags = {"asimd"}
    return tuple(name for name in _INSTRUCTIONS if name in flags)


def _gpu_name() -> str:
    name = _first_line(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    if not name:
        raise BadInput("provider cuda: nvidia-smi does not name a GPU; a table must say which one it was measured on")
    return name


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]
