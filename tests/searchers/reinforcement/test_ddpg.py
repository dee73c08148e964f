from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from searcher_contract import InformedContract, known_trials
from toy import toy_problem

from autoprune.errors import BadInput
from autoprune.searchers.reinforcement.ddpg import DdpgSearcher
from autoprune.trial import Trial

SMALL: dict[str, Any] = {"hidden": (16, 16), "batch": 16}


class TestDdpg(InformedContract):
    name = "ddpg"
    settings: ClassVar = SMALL

    def test_learns(self) -> None:
        """After the warm-up's random policies, the agent's are better."""
        kept: list[Trial] = []
        searcher = DdpgSearcher(hidden=(64, 64))
        searcher.search(toy_problem("macs=0.4x", trials=200, kept=kept))
        rewards = [trial.reward for trial in kept]
        assert sum(rewards[-40:]) / 40 > sum(rewards[:40]) / 40 + 0.1


def test_the_warm_up_is_random_and_a_share_of_the_trials() -> None:
    """Networks of another size propose the same policies until learning starts, and others afterwards."""
    small, large = [_policies({"hidden": h, "warmup_share": 0.5}, trials=10) for h in [(16,), (24,)]]
    assert small[:5] == large[:5]
    assert small[5:] != large[5:]


def _policies(settings: dict[str, Any], trials: int, known: Sequence[Trial] = ()) -> list[tuple[int, ...]]:
    kept: list[Trial] = []
    DdpgSearcher(**settings).search(toy_problem("macs=0.9x", trials=trials, kept=kept, known=known))
    return [trial.policy.widths for trial in kept]


def test_layers_must_be_described() -> None:
    with pytest.raises(BadInput, match="give the problem its `layers`"):
        DdpgSearcher(**SMALL).search(replace(toy_problem("macs=0.5x"), layers=()))


def test_known_trials_take_the_place_of_random_ones() -> None:
    """Networks of another size propose something else from the first trial on: nothing is drawn at random."""
    known = known_trials("macs=0.9x", trials=12)
    small, large = [_policies({"hidden": h, "warmup_share": 1.0}, trials=10, known=known) for h in [(16,), (24,)]]
    assert small[0] != large[0]
