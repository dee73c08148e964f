"""How well a table predicts networks that it was not made from; free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy.stats import spearmanr

from autoprune.cost import FloatArray
from autoprune.errors import BadInput
from autoprune.profiler.averaging import summary
from autoprune.profiler.family import Networks
from autoprune.profiler.listening import OnProgress, silent
from autoprune.profiler.prediction import TimedPlan
from autoprune.profiler.sampling import covering_policies, random_policies
from autoprune.profiler.table import NoiseFloor, Verification, VerifiedNetwork
from autoprune.profiler.timing import time_in_turns
from autoprune.space import Policy
from autoprune.spec import DeviceSpec

_ROUNDS = 4
_RUNS = 20
_STREAM = 1  # random policies other than those that a profile with the same seed looked at


def verify(
    networks: Networks,
    timed: TimedPlan,
    *,
    device: DeviceSpec,
    count: int = 30,
    seed: int = 0,
    runs: int = _RUNS,
    on_progress: OnProgress = silent,
) -> Verification:
    """Compare predictions with the clock on `count` random policies, each measured twice, apart in time.

    All are measured in turns (four rounds of `runs` runs), then all again: how far the two results
    lie apart is the noise floor. The policies are none of those that the table's rows come from.
    Raises `BadInput` where the space is too small for two unseen ones, `UnknownKernel` where the table lacks a row.
    """
    policies = _unseen(timed, count, seed)
    predicted = timed.latency_model()(np.array([policy.widths for policy in policies], dtype=np.int64))
    makers = [partial(networks, policy) for policy in policies]
    first = np.array(time_in_turns(makers, device, rounds=_ROUNDS, runs=runs, seed=seed, tell=on_progress))
    second = np.array(time_in_turns(makers, device, rounds=_ROUNDS, runs=runs, seed=seed + 1, tell=on_progress))
    return judge(policies, predicted, first, second)


def _unseen(timed: TimedPlan, count: int, seed: int) -> list[Policy]:
    covering = set(covering_policies(timed.space, seed))
    drawn = [p for p in random_policies(timed.space, 2 * count, (seed, _STREAM)) if p not in covering][:count]
    if len(drawn) < 2:
        raise BadInput(
            f"{count} networks cannot be checked: the space offers {len(drawn)} beside those that were profiled"
        )
    return drawn


def judge(policies: Sequence[Policy], predicted_ms: FloatArray, first: FloatArray, second: FloatArray) -> Verification:
    """The verification of predictions [n] against two measurements [n, rounds], all in ms."""
    both = [summary(np.concatenate(pair), first.shape[1] + second.shape[1]) for pair in zip(first, second, strict=True)]
    measured = np.array([m.median for m in both])
    firsts, seconds = np.median(first, axis=1), np.median(second, axis=1)
    error = (predicted_ms - measured) / measured
    change = (seconds - firsts) / measured
    rows = zip(policies, predicted_ms.tolist(), both, firsts.tolist(), seconds.tolist(), error.tolist(), strict=True)
    return Verification(
        networks=len(policies),
        mape=float(np.mean(np.abs(error))),
        max_error=float(np.max(np.abs(error))),
        within_5pct=float(np.mean(np.abs(error) <= 0.05)),
        within_10pct=float(np.mean(np.abs(error) <= 0.10)),
        rank_correlation=_rank_correlation(predicted_ms, measured),
        noise_floor=NoiseFloor(
            mape=float(np.mean(np.abs(change))),
            max_error=float(np.max(np.abs(change))),
            drift=float(np.median(change)),
        ),
        rows=tuple(
            VerifiedNetwork(
                widths=policy.widths,
                predicted_ms=round(says, 6),
                measured_ms=round(m.median, 6),
                spread_ms=round(m.spread, 6),
                first_ms=round(one, 6),
                second_ms=round(two, 6),
                error=round(off, 6),
            )
            for policy, says, m, one, two, off in rows
        ),
    )


def _rank_correlation(predicted: FloatArray, measured: FloatArray) -> float:
    """Spearman's rank correlation; 0 where one of the two is constant and it is not defined."""
    if np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return 0.0
    return float(spearmanr(predicted, measured).statistic)
