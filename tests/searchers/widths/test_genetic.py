from __future__ import annotations

from typing import ClassVar

import numpy as np
from searcher_contract import InformedContract, known_trials
from toy import DEEP, toy_problem

from autoprune.searchers.widths.genetic import GeneticSearcher
from autoprune.trial import Trial


class TestGenetic(InformedContract):
    name = "genetic"
    settings: ClassVar = {"population": 6}

    def test_learns(self) -> None:
        kept: list[Trial] = []
        self.search(DEEP.problem("macs=0.4x", trials=100, kept=kept))
        rewards = [trial.reward for trial in kept]
        assert np.mean(rewards[-20:]) > np.mean(rewards[1:21]) + 0.01


def test_known_trials_are_the_first_members() -> None:
    """No random shape is drawn then, so that nothing is as bad as these are."""
    known = known_trials("macs=0.4x")
    kept: list[Trial] = []
    GeneticSearcher(population=20).search(toy_problem("macs=0.4x", trials=12, kept=kept, known=known))
    cold: list[Trial] = []
    GeneticSearcher(population=20).search(toy_problem("macs=0.4x", trials=12, kept=cold))
    assert min(t.reward for t in kept) > min(t.reward for t in cold)
