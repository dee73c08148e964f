"""The pipeline: the only place that wires the rooms together, top to bottom, no callbacks upward."""

from autoprune.pipeline.commands import apply_policy, profile, report, run, search, verify_table
from autoprune.pipeline.results import ApplyResult, ProfileResult, SearchResult

__all__ = [
    "ApplyResult",
    "ProfileResult",
    "SearchResult",
    "apply_policy",
    "profile",
    "report",
    "run",
    "search",
    "verify_table",
]
