from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from autoprune.correlation import rank_correlation

values = st.lists(st.integers(-5, 5), min_size=2, max_size=20)  # few different ones, so that ties are common


@given(values, st.data())
def test_it_is_spearman_s(first: list[int], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.integers(-5, 5), min_size=len(first), max_size=len(first)))
    found = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found == 0
    else:
        assert found == pytest.approx(spearmanr(first, second).statistic)


@given(values)
def test_only_the_order_counts(first: list[int]) -> None:
    second = np.exp(np.array(first, dtype=np.float64))
    assert rank_correlation(first, second) == pytest.approx(1.0 if len(set(first)) > 1 else 0.0)
