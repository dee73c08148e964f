from __future__ import annotations

import warnings

import pytest
from searcher_contract import InformedContract
from toy import toy_feasible, toy_problem, toy_quality

from autoprune.searchers.shapes.tpe import TpeSearcher
from autoprune.trial import Trial

UNIFORM = toy_feasible("macs=0.4x").scaled([0.5] * 5)


class TestTpe(InformedContract):
    name = "tpe"

    def test_starts_with_the_uniform_policy(self) -> None:
        assert self.found("macs=0.4x")[0].policy == UNIFORM

    def test_beats_the_uniform_policy(self) -> None:
        kept: list[Trial] = []
        self.search(toy_problem("macs=0.4x", trials=60, kept=kept))
        assert max(trial.reward for trial in kept) > toy_quality(UNIFORM).score + 0.08


def test_nothing_reaches_the_users_screen(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TpeSearcher().search(toy_problem("macs=0.4x", trials=12))
    assert capfd.readouterr() == ("", "")
