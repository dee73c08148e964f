from __future__ import annotations

import warnings
from typing import ClassVar

import pytest
from searcher_contract import InformedContract
from toy import toy_problem

from autoprune.searchers.shapes.gp import GpSearcher


class TestGp(InformedContract):
    name = "gp"
    settings: ClassVar = {"startup": 5}
    trials = 9


def test_nothing_reaches_the_users_screen(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GpSearcher(startup=2).search(toy_problem("macs=0.4x", trials=5))
    assert capfd.readouterr() == ("", "")
