from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from searcher_contract import InformedContract
from toy import DEEP, TOY, toy_problem

from autoprune.searchers.widths.netadapt import NetAdaptSearcher
from autoprune.trial import Trial


class TestNetAdapt(InformedContract):
    name = "netadapt"
    settings: ClassVar = {"offers": 3}

    def test_another_seed_other_trials(self) -> None:
        """It draws nothing before the smallest step has failed."""
        assert self.found("macs=0.4x", seed=3) == self.found("macs=0.4x", seed=4)


def test_the_first_round_offers_one_cut_a_group() -> None:
    """With damages, as many offers as are asked for; without, one of every group, as algorithm 1 has it."""
    kept: list[Trial] = []
    problem = toy_problem("macs=0.4x", trials=11, kept=kept)
    NetAdaptSearcher(offers=2).search(problem)
    assert _cut_most(kept[1:3]) <= {0, 2, 4}  # the harmless ones
    kept.clear()
    NetAdaptSearcher(offers=2).search(replace(problem, damages=()))
    assert _cut_most(kept[1:6]) >= {0, 1, 2, 3}


def _cut_most(trials: Sequence[Trial]) -> set[int]:
    """The group that keeps the least share in each trial."""
    return {int(np.argmin(TOY.space().ratios(trial.policy))) for trial in trials}


def test_it_beats_the_uniform_policy_by_far() -> None:
    kept: list[Trial] = []
    NetAdaptSearcher().search(DEEP.problem("macs=0.4x", trials=100, kept=kept))
    assert max(t.reward for t in kept) > kept[0].reward + 0.05
