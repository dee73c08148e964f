"""From a torch module to channel groups, slices and counts."""

from autoprune.tracing.padding import pad_behind
from autoprune.tracing.slicing import slice_module
from autoprune.tracing.trace import Traced, trace

__all__ = ["Traced", "pad_behind", "slice_module", "trace"]
