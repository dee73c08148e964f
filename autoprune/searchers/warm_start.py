"""Warm start: one searcher begins from what another has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoprune.space import Policy
from autoprune.trial import Problem, Searcher, Trial

SHARE = 0.25


@dataclass(frozen=True)
class WarmStarted:
    """`searcher`, which knows the trials of `source`; that one spends the first `SHARE` of the problem's trials.

    Both are trials of one search, numbered through, so that a warm-started agent has as many as any
    other, and resumes as any other. A single trial is the source's.
    """

    source: Searcher
    searcher: Searcher

    def search(self, problem: Problem) -> None:
        """Spend the problem's trials."""
        found: list[Trial] = []

        def evaluate(policies: Sequence[Policy]) -> list[Trial]:
            trials = problem.evaluate(policies)
            found.extend(trials)
            return trials

        first = max(1, min(round(SHARE * problem.trials), problem.trials - 1))
        self.source.search(replace(problem, trials=first, evaluate=evaluate))
        if left := problem.trials - len(found):
            self.searcher.search(replace(problem, trials=left, known=(*problem.known, *found)))
