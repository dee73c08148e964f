from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprune.spec import TrainingSpec
from autoprune.training.rates import RATES, learning_rate
from autoprune.training.schedules import constant, cubic, linear

SHARES = st.floats(0, 1)


def test_every_name_that_a_spec_takes_is_a_schedule() -> None:
    assert set(get_args(TrainingSpec.model_fields["schedule"].annotation)) == set(RATES)


@pytest.mark.parametrize("name", RATES)
@given(one=SHARES, other=SHARES)
def test_a_learning_rate_begins_whole_and_never_rises(name: str, one: float, other: float) -> None:
    early, late = sorted((one, other))
    assert RATES[name](0.0) == 1
    assert 0 <= RATES[name](late) <= RATES[name](early) <= 1


@given(done=SHARES, rewound=st.floats(0, 0.99))
def test_a_rewound_schedule_is_the_end_of_the_whole_one(done: float, rewound: float) -> None:
    spec = TrainingSpec(learning_rate=0.1, rewound=rewound)
    whole = TrainingSpec(learning_rate=0.1)
    assert learning_rate(spec, done) == pytest.approx(learning_rate(whole, rewound + (1 - rewound) * done))
    assert learning_rate(spec, 1.0) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("schedule", [constant, linear, cubic])
@given(final=SHARES, one=SHARES, other=SHARES)
def test_a_pruning_schedule_never_falls_and_ends_at_its_final_share(
    schedule: object, final: float, one: float, other: float
) -> None:
    assert callable(schedule)
    early, late = sorted((one, other))
    assert schedule(final, 1.0) == final
    assert schedule(final, early) <= schedule(final, late) + 1e-12
    assert 0 <= schedule(final, late) <= final


@given(step=st.integers(0, 100), final=SHARES)
def test_the_cubic_schedule_is_zhu_and_guptas(step: int, final: float) -> None:
    """s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3 with s_i = 0, t_0 = 0, n = 100, dt = 1."""
    assert cubic(final, step / 100) == pytest.approx(final + (0.0 - final) * math.pow(1 - (step - 0) / (100 * 1), 3))
