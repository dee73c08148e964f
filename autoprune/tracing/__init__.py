"""From a torch module to channel groups, slices and counts."""

from autoprune.tracing.slicing import slice_module
from autoprune.tracing.trace import Traced, trace

__all__ = ["Traced", "slice_module", "trace"]
