"""How far the scores of a search carry over to images that it has not seen, and to networks that are refitted."""

from __future__ import annotations

import math

from autoprune.correlation import rank_correlation
from autoprune.deploy.report.document import CarriedScores
from autoprune.pipeline.goals.search import Found

_FEWEST_RANKED = 3


def carried_over(found: Found) -> CarriedScores:
    """The scores of the chosen policy, and whether the selection split ranks the finalists as the search did."""
    searched = {trial.policy: trial for trial in reversed(found.trials)}  # the first trial of a policy stays
    judged = {one.policy: one for one in found.choice.compared}
    pairs = [(searched[policy].reward, one.reward) for policy, one in judged.items() if policy in searched]
    ranked = [pair for pair in pairs if all(map(math.isfinite, pair))]
    chosen = searched.get(found.policy)
    return CarriedScores(
        search=chosen.quality.score if chosen else None,
        selection=judged[found.policy].quality.score,
        finalists=len(ranked),
        rank_correlation=rank_correlation(*zip(*ranked, strict=True)) if len(ranked) >= _FEWEST_RANKED else None,
    )
