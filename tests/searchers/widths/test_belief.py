from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoprune.cost import FloatArray
from autoprune.searchers.widths.belief import Belief

TRUE = np.array([0.2, 3.0, 1.0, 1.0, 0.5])


def _trials(n: int, noise: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Damages [n, 5] and the rewards that the true factors make of them."""
    generator = np.random.default_rng(0)
    damages = generator.uniform(0, 1, (n, len(TRUE)))
    return damages, 0.9 - 0.3 * damages @ TRUE + noise * generator.normal(size=n)


@pytest.mark.parametrize("n", [0, 1])
def test_before_there_is_evidence_what_was_foreseen_is_believed(n: int) -> None:
    belief = Belief.of(*_trials(n), doubt=0.5)
    assert belief.mean.tolist() == [1.0] * 5
    assert np.allclose(np.linalg.inv(belief.precision), 0.25 * np.eye(5))


def test_trials_without_a_difference_teach_nothing() -> None:
    damages, _ = _trials(10)
    assert Belief.of(damages, np.full(10, 0.7), doubt=0.5).mean.tolist() == [1.0] * 5
    assert Belief.of(np.ones((10, 5)), np.linspace(0, 1, 10), doubt=0.5).mean.tolist() == [1.0] * 5


def test_the_true_factors_are_learned() -> None:
    """Up to what is common to all, which no knapsack needs."""
    belief = Belief.of(*_trials(100, noise=0.01), doubt=2.0)
    shares = belief.mean / belief.mean.sum()
    assert np.allclose(shares, TRUE / TRUE.sum(), atol=0.05)


def test_doubt_shrinks_as_trials_come_in() -> None:
    few, many = (Belief.of(*_trials(n, noise=0.01), doubt=1.0) for n in (10, 100))
    doubts = [np.trace(np.linalg.inv(belief.precision)) for belief in (many, few)]
    assert doubts[0] < doubts[1] < 5.0


def test_draws_follow_the_belief_and_are_positive() -> None:
    belief, generator = Belief.of(*_trials(20), doubt=1.0), np.random.default_rng(0)
    drawn = np.array([belief.draw(generator) for _ in range(4000)])
    assert drawn.min() > 0
    clear = belief.mean > 3 * np.sqrt(np.linalg.inv(belief.precision).diagonal())  # where nearly no draw is cut off
    assert clear.any()
    assert np.allclose(drawn.mean(axis=0)[clear], belief.mean[clear], atol=0.05)
    wider = np.array([belief.draw(generator, widened=3.0) for _ in range(4000)])
    assert (wider.std(axis=0) > drawn.std(axis=0)).all()


few = st.sampled_from([0.0, 0.3, 0.3 + 1e-12, 1.0])


@example(rows=[(0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 9.003034672905013e-218)])
@example(rows=[(0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 5e-324)])
@given(rows=st.lists(st.tuples(few, few, few, st.floats(-1e6, 1e6)), max_size=30))
def test_any_evidence_leaves_a_belief_to_draw_from(rows: list[tuple[float, ...]]) -> None:
    """Trials that repeat one another, rewards that hardly differ or differ wildly."""
    table = np.array(rows).reshape(-1, 4)
    belief = Belief.of(table[:, :3], table[:, 3], doubt=1.5)
    drawn = belief.draw(np.random.default_rng(0), widened=3.0)
    assert np.isfinite(drawn).all()
    assert (drawn > 0).all()


@given(exponent=st.integers(-200, 200))
def test_the_unit_of_rewards_does_not_matter(exponent: int) -> None:
    damages, rewards = _trials(20, noise=0.01)
    belief, scaled = (Belief.of(damages, unit * rewards, doubt=1.0) for unit in (1.0, 10.0**exponent))
    assert np.allclose(scaled.mean, belief.mean)
    assert np.allclose(scaled.precision, belief.precision)
