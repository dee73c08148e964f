"""How networks are executed: provider, threads, and the processors they may run on; stdlib only."""

from __future__ import annotations

from dataclasses import dataclass

from autoprune.errors import BadInput

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True, slots=True)
class Device:
    """An execution provider of ONNX Runtime, its intra-op threads, and the logical processors it is kept on.

    No `affinity` means that the operating system chooses. Raises `BadInput` for an unknown
    provider, no threads, or processors that are negative or named twice.
    """

    provider: str = "cpu"
    threads: int = 1
    affinity: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise BadInput(f"provider must be one of {', '.join(PROVIDERS)}, got {self.provider!r}")
        if self.threads < 1:
            raise BadInput(f"threads must be at least 1, got {self.threads}")
        if len(set(self.affinity)) < len(self.affinity) or any(core < 0 for core in self.affinity):
            raise BadInput(f"affinity must name distinct processors from 0 on, got {list(self.affinity)}")
