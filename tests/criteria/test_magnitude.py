"""Weight magnitude: the order of plain norms."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoprune.criteria.magnitude import rank_by_norm

seeds = st.integers(0, 10_000)


@given(seeds)
def test_one_weight_is_ranked_by_the_norms_of_its_rows(seed: int) -> None:
    weight = np.random.default_rng(seed).normal(size=(8, 5))
    order = rank_by_norm([(torch.from_numpy((weight**2).sum(1)), np.arange(8))]).order
    assert order.tolist() == np.argsort(np.linalg.norm(weight, axis=1)).tolist()


@given(seeds)
def test_positions_of_a_unit_add_up_and_foreign_ones_do_not_count(seed: int) -> None:
    squared = np.random.default_rng(seed).uniform(0.1, 1, size=9)
    unit = np.array([0, 1, 2, -1, 2, 1, 0, -1, 2])
    sums = [squared[unit == u].sum() for u in range(3)]
    assert rank_by_norm([(torch.from_numpy(squared), unit)]).order.tolist() == np.argsort(sums).tolist()


@given(seeds, st.floats(1e-3, 1e3))
def test_a_weights_scale_does_not_matter(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    one, other = (torch.from_numpy(rng.uniform(0.1, 1, size=6)) for _ in range(2))
    plain = rank_by_norm([(one, np.arange(6)), (other, np.arange(6))]).order
    assert rank_by_norm([(one, np.arange(6)), (scale * other, np.arange(6))]).order.tolist() == plain.tolist()


def test_a_weight_of_zeros_ranks_by_number() -> None:
    assert rank_by_norm([(torch.zeros(4), np.arange(4))]).order.tolist() == [0, 1, 2, 3]
