"""Verifications that no clock was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autoprune.profiler.table.verification import Verification
from autoprune.profiler.verify import judge
from autoprune.space import Policy


def example_verification(
    errors: Sequence[float] = (0.01, -0.02, 0.0, 0.03), *, noise: float = 0.01, speed: float = 1.0
) -> Verification:
    """Networks of 1, 2, 3, ... ms, predicted with `errors`, whose second measurements took `noise` more than the first.

    Judged as real ones are, so every figure belongs to the rows.
    """
    measured = np.arange(1, len(errors) + 1, dtype=np.float64)
    first, second = (np.repeat(measured[:, None] * (1 + s * noise / 2), 4, axis=1) for s in (-1, 1))
    predicted = measured * (1 + np.array(errors))
    policies = [Policy((8 * (1 + k % 3), 8)) for k in range(len(errors))]
    return judge(policies, predicted, first, second, speed=speed, interpolated=0.25)
