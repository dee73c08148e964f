"""The front: what is on it, by definition and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import plain_evaluate, toy_feasible, toy_space

from autoprune.cost import Metric
from autoprune.front import front, non_dominated
from autoprune.space import Policy
from autoprune.trial import Trial

rows = st.integers(1, 3).flatmap(
    lambda k: st.lists(st.tuples(*[st.integers(0, 4)] * k), min_size=0, max_size=12).map(
        lambda values: np.array(values, dtype=np.float64).reshape(-1, k)
    )
)
policies = st.tuples(*(st.sampled_from(g.widths) for g in toy_space().groups)).map(Policy)


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


@given(rows)
def test_a_row_is_kept_exactly_if_nothing_dominates_it(losses: np.ndarray) -> None:
    kept = non_dominated(losses)
    for i, own in enumerate(losses):
        beaten = any(dominates(other, own) for other in losses)
        repeats = any((other == own).all() for other in losses[:i])
        assert kept[i] == (not beaten and not repeats)


def trials_of(chosen: list[Policy]) -> list[Trial]:
    kept: list[Trial] = []
    return plain_evaluate(toy_feasible(), kept)(chosen)


@pytest.mark.parametrize("costs", [(Metric.MACS,), (Metric.LATENCY, Metric.PARAMS)])
@given(st.lists(policies, min_size=1, max_size=15))
def test_every_trial_is_on_the_front_or_beaten_by_one_that_is(costs: tuple[Metric, ...], chosen: list[Policy]) -> None:
    trials = trials_of(chosen)
    best = front(trials, costs)
    assert best == sorted(best, key=lambda t: t.cost.of(costs[0]))
    for trial in trials:
        assert any(
            other.reward >= trial.reward and all(other.cost.of(m) <= trial.cost.of(m) for m in costs) for other in best
        )
    for a in best:
        assert not any(
            b.reward > a.reward and all(b.cost.of(m) <= a.cost.of(m) for m in costs) for b in best if b is not a
        )


def test_a_reward_that_is_no_number_is_on_no_front() -> None:
    [trial] = trials_of([toy_space().dense()])
    lost = Trial(1, toy_space().smallest(), trial.quality, trial.cost, math.nan)
    assert front([lost, trial], [Metric.MACS]) == [trial]
    assert front([lost], [Metric.MACS]) == []
