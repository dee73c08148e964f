"""autoprune: a smaller network that keeps its budget when measured on your device.

import autoprune

result = autoprune.prune(model, task, budget="latency=0.5x")
result.report.pruned.latency_ms.measured, result.module
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoprune.pipeline.commands.prune import Result, prune

__version__ = "0.1.0"
__all__ = ["Result", "__version__", "prune"]


def __getattr__(name: str) -> Any:
    """`prune` and `Result` bring torch with them, so they are imported when they are asked for."""
    if name in ("prune", "Result"):
        from autoprune.pipeline.commands import prune as module

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
