from __future__ import annotations

import warnings
from typing import ClassVar

import pytest
from searcher_contract import InformedContract
from toy import toy_problem

from autoprune.errors import BadInput
from autoprune.searchers.reinforcement.ppo import PpoSearcher
from autoprune.trial import Trial


class TestPpo(InformedContract):
    name = "ppo"
    settings: ClassVar = {"hidden": (16, 16), "episodes": 4}

    def test_learns(self) -> None:
        """The last policies are better than the first ones, on average."""
        kept: list[Trial] = []
        PpoSearcher().search(toy_problem("macs=0.4x", trials=160, kept=kept))
        rewards = [trial.reward for trial in kept]
        assert sum(rewards[-32:]) / 32 > sum(rewards[:32]) / 32 + 0.1


def test_minibatches_are_whole() -> None:
    with pytest.raises(BadInput, match=r"minibatch \(4\) must divide episodes \(6\)"):
        PpoSearcher(episodes=6, minibatch=4)


def test_nothing_reaches_the_users_screen(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PpoSearcher(episodes=2, hidden=(8,)).search(toy_problem("macs=0.4x", trials=5))
    assert capfd.readouterr() == ("", "")
