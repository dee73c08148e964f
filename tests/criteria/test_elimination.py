"""Backward elimination against brute force: what a least-squares refit cannot repair, tried for every unit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autoprune.criteria.evidence import Consumer, Evidence
from autoprune.criteria.ranking import Ranking
from autoprune.criteria.reconstruction import eliminate

Matrix = NDArray[np.float64]


def consumer(x: Matrix, weight: Matrix, rows: NDArray[np.int64]) -> Consumer:
    moments = x.T @ x / len(x)
    return Consumer(torch.from_numpy(moments), torch.from_numpy(weight), torch.from_numpy(rows))


def evidence(*consumers: Consumer) -> Evidence:
    return Evidence("group", len(consumers[0].rows), 0, (), consumers=consumers)


def elimination_order(consumers: list[Consumer]) -> NDArray[np.int64]:
    return eliminate(evidence(*consumers)).order


def refit_loss(x: Matrix, weight: Matrix, kept: list[int]) -> float:
    """Share of the output's energy that the best weights over the kept features miss."""
    y = x @ weight
    if not kept:
        return 1.0
    fitted, *_ = np.linalg.lstsq(x[:, kept], y, rcond=None)
    return float(((y - x[:, kept] @ fitted) ** 2).sum() / (y**2).sum())


def greedy(problems: list[tuple[Matrix, Matrix, NDArray[np.int64]]]) -> list[int]:
    """Remove, one after the other, the unit whose loss adds least to the losses so far, by refitting each time."""
    left, order = list(range(len(problems[0][2]))), []
    while len(left) > 1:

        def loss(unit: int, left: list[int] = left) -> float:
            stay = [u for u in left if u != unit]
            return sum(refit_loss(x, w, rows[stay].reshape(-1).tolist()) for x, w, rows in problems)

        order.append(min(left, key=loss))
        left.remove(order[-1])
    return order + left


def problem(
    rng: np.random.Generator, units: int, per_unit: int, outputs: int
) -> tuple[Matrix, Matrix, NDArray[np.int64]]:
    """Correlated inputs, so that what one unit carried others can take over; rows are shuffled over the units."""
    features = units * per_unit
    x = rng.normal(size=(400, features)) @ rng.normal(size=(features, features))
    rows = np.sort(rng.permutation(features).reshape(units, per_unit), axis=1)
    return x, rng.normal(size=(features, outputs)), rows


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 4), st.integers(1, 5))
def test_the_order_is_that_of_refitting_without_each_unit_in_turn(
    seed: int, units: int, per_unit: int, outputs: int
) -> None:
    one = problem(np.random.default_rng(seed), units, per_unit, outputs)
    assert elimination_order([consumer(*one)]).tolist() == greedy([one])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_damage_is_what_a_refit_over_the_rest_cannot_repair(seed: int) -> None:
    x, weight, rows = problem(np.random.default_rng(seed), 6, 2, 3)
    ranking = eliminate(evidence(consumer(x, weight, rows)))
    left = [rows[ranking.order[gone:]].reshape(-1).tolist() for gone in range(7)]
    assert ranking.damage == pytest.approx([refit_loss(x, weight, kept) for kept in left], abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(6)))
def test_the_damage_of_any_other_order_is_what_a_refit_cannot_repair_either(seed: int, order: list[int]) -> None:
    x, weight, rows = problem(np.random.default_rng(seed), 6, 2, 3)
    scores = torch.empty(6)
    scores[order] = torch.arange(6.0)
    ranking = Ranking.of(scores, evidence(consumer(x, weight, rows)))
    left = [rows[order[gone:]].reshape(-1).tolist() for gone in range(7)]
    assert ranking.order.tolist() == order
    assert ranking.damage == pytest.approx([refit_loss(x, weight, kept) for kept in left], abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_losses_of_several_consumers_add_up_as_shares(seed: int) -> None:
    """One consumer's outputs are a thousand times larger; both count alike."""
    rng = np.random.default_rng(seed)
    first, (x, weight, rows) = problem(rng, 5, 1, 3), problem(rng, 5, 2, 4)
    both = [first, (x, 1000 * weight, rows)]
    assert elimination_order([consumer(*p) for p in both]).tolist() == greedy(both)


@given(st.integers(0, 10_000), st.permutations(range(6)))
@settings(max_examples=25, deadline=None)
def test_renaming_the_units_renames_the_order(seed: int, names: list[int]) -> None:
    x, weight, rows = problem(np.random.default_rng(seed), 6, 2, 3)
    order = elimination_order([consumer(x, weight, rows)])
    renamed = elimination_order([consumer(x, weight, rows[names])])
    assert [names[unit] for unit in renamed] == order.tolist()


@given(st.integers(0, 10_000), st.integers(0, 7))
@settings(max_examples=25, deadline=None)
def test_a_dead_unit_goes_first(seed: int, dead: int) -> None:
    """Its inputs are next to nothing, though its weights are the largest."""
    x, weight, rows = problem(np.random.default_rng(seed), 8, 2, 3)
    x[:, rows[dead]] *= 1e-5
    weight[rows[dead]] *= 100
    assert elimination_order([consumer(x, weight, rows)])[0] == dead


@given(
    st.integers(0, 10_000), st.sampled_from([(0, 1), (3, 6), (7, 2)]), st.floats(-4, 4).filter(lambda s: abs(s) > 0.1)
)
@settings(max_examples=25, deadline=None)
def test_one_of_two_alike_goes_first_and_the_other_stays_for_it(
    seed: int, twins: tuple[int, int], scale: float
) -> None:
    """What one carries the other can take over at no cost, whatever their sizes; then it carries the weight of both."""
    x, weight, rows = problem(np.random.default_rng(seed), 8, 1, 3)
    noise = 1e-4 * np.random.default_rng(1).normal(size=len(x))
    x[:, rows[twins[1], 0]] = scale * x[:, rows[twins[0], 0]] + noise
    order = elimination_order([consumer(x, weight, rows)]).tolist()
    assert order[0] in twins
    assert order == greedy([(x, weight, rows)])


@pytest.mark.parametrize("units", [1, 2, 127, 128, 300])
def test_every_unit_is_ranked_once(units: int) -> None:
    """From 128 units on, several go in one step."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, units))
    order = elimination_order([consumer(x, rng.normal(size=(units, 4)), np.arange(units)[:, None])])
    assert sorted(order.tolist()) == list(range(units))


def test_several_at_a_step_lose_little_against_one_at_a_time() -> None:
    """256 units on their own directions: the ones that carry least go, whatever the size of the step."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 256)) * rng.permutation(np.linspace(0.1, 2, 256))
    weight, rows = rng.normal(size=(256, 16)), np.arange(256)[:, None]
    order = elimination_order([consumer(x, weight, rows)])
    energy = (x**2).mean(0) * (weight**2).sum(1)
    lost = np.sort(energy)[:128].sum()
    assert energy[order[:128]].sum() < 1.1 * lost
    assert energy[rng.permutation(256)[:128]].sum() > 3 * lost
