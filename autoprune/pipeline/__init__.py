"""The pipeline: the only place that wires the rooms together, top to bottom, no callbacks upward."""

from autoprune.pipeline.commands import (
    apply_policy,
    export_kit,
    profile,
    report,
    run,
    search,
    verify_table,
    verify_table_of_run,
)
from autoprune.pipeline.results import ApplyResult, KitResult, ProfileResult, RetargetResult, SearchResult
from autoprune.pipeline.retarget import retarget

__all__ = [
    "ApplyResult",
    "KitResult",
    "ProfileResult",
    "RetargetResult",
    "SearchResult",
    "apply_policy",
    "export_kit",
    "profile",
    "report",
    "retarget",
    "run",
    "search",
    "verify_table",
    "verify_table_of_run",
]
