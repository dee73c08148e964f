from __future__ import annotations

from typing import ClassVar

from searcher_contract import InformedContract
from toy import toy_problem

from autoprune.searchers.reinforcement.sac import SacSearcher
from autoprune.trial import Trial


class TestSac(InformedContract):
    name = "sac"
    settings: ClassVar = {"hidden": (16, 16), "batch": 16}

    def test_learns(self) -> None:
        """After the warm-up's random policies, the agent's are better."""
        kept: list[Trial] = []
        SacSearcher(hidden=(64, 64)).search(toy_problem("macs=0.4x", trials=200, kept=kept))
        rewards = [trial.reward for trial in kept]
        assert sum(rewards[-40:]) / 40 > sum(rewards[:40]) / 40 + 0.1
