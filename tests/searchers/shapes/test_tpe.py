from __future__ import annotations

import warnings

import pytest
from searcher_contract import FromUniformContract
from toy import toy_problem

from autoprune.searchers.shapes.tpe import TpeSearcher


class TestTpe(FromUniformContract):
    name = "tpe"


def test_nothing_reaches_the_users_screen(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TpeSearcher().search(toy_problem("macs=0.4x", trials=12))
    assert capfd.readouterr() == ("", "")
