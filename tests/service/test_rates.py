"""Buckets of requests."""

from __future__ import annotations

import pytest

from autoprune.service.security import rates
from autoprune.service.security.rates import Rates


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(rates, "time", made)
    return made


def test_a_bucket_gives_a_burst_and_then_a_steady_rate(clock: Clock) -> None:
    buckets = Rates(per_second=2.0, burst=3)
    assert [buckets.seconds_to_wait("me") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.seconds_to_wait("somebody else") == 0
    clock.now = 0.5
    assert [buckets.seconds_to_wait("me") for _ in range(2)] == [0, 0.5]
    clock.now = 100.0
    assert [buckets.seconds_to_wait("me") for _ in range(4)] == [0, 0, 0, 0.5]


def test_those_who_have_not_asked_for_long_are_forgotten(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    assert clock.now == 0
    monkeypatch.setattr(rates, "_MOST_REMEMBERED", 2)
    buckets = Rates(per_second=1.0, burst=1)
    assert [buckets.seconds_to_wait(who) for who in ("a", "b", "b", "c", "a")] == [0, 0, 1, 0, 0]
