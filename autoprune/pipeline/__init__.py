"""The pipeline: the only place that wires the rooms together, top to bottom, no callbacks upward."""

from autoprune.pipeline.commands.apply import apply_policy
from autoprune.pipeline.commands.compare import compare
from autoprune.pipeline.commands.compare_criteria import compare_criteria
from autoprune.pipeline.commands.compare_recipes import compare_recipes
from autoprune.pipeline.commands.profile import export_kit, profile
from autoprune.pipeline.commands.report import report
from autoprune.pipeline.commands.results import ApplyResult, KitResult, ProfileResult, RetargetResult, SearchResult
from autoprune.pipeline.commands.retarget import retarget
from autoprune.pipeline.commands.run import run
from autoprune.pipeline.commands.search import search
from autoprune.pipeline.commands.sensitivity import sensitivity
from autoprune.pipeline.commands.verify import verify_table, verify_table_of_run

__all__ = [
    "ApplyResult",
    "KitResult",
    "ProfileResult",
    "RetargetResult",
    "SearchResult",
    "apply_policy",
    "compare",
    "compare_criteria",
    "compare_recipes",
    "export_kit",
    "profile",
    "report",
    "retarget",
    "run",
    "search",
    "sensitivity",
    "verify_table",
    "verify_table_of_run",
]
