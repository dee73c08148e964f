from __future__ import annotations

import numpy as np
from searcher_contract import InformedContract
from toy import DEEP

from autoprune.searchers.widths.annealing import AnnealingSearcher
from autoprune.trial import Trial


class TestAnnealing(InformedContract):
    name = "annealing"

    def test_learns(self) -> None:
        kept: list[Trial] = []
        self.search(DEEP.problem("macs=0.4x", trials=100, kept=kept))
        rewards = [trial.reward for trial in kept]
        assert np.mean(rewards[-20:]) > np.mean(rewards[1:21]) + 0.01


def test_what_is_worse_is_accepted_only_while_it_is_hot() -> None:
    """Where nothing bad is ever accepted, no trial is further from the best so far than one move."""

    def spread(acceptance: float) -> float:
        kept: list[Trial] = []
        searcher = AnnealingSearcher(acceptance=acceptance, cooling=0.9, reach=0.1)
        searcher.search(DEEP.problem("macs=0.4x", trials=80, kept=kept))
        rewards = np.array([trial.reward for trial in kept])
        return float(np.mean(np.maximum.accumulate(rewards) - rewards))

    assert spread(0.95) > 1.5 * spread(1e-6)
