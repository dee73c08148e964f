"""How well a table predicts networks that it was not made from; free of torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from autoprune.correlation import rank_correlation
from autoprune.cost import FloatArray
from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.profiler.listening import OnProgress, silent
from autoprune.profiler.plan.blueprint import Blueprint, Networks
from autoprune.profiler.plan.observing import possible_policies
from autoprune.profiler.plan.sampling import random_policies
from autoprune.profiler.runtime.pinning import pinned
from autoprune.profiler.runtime.session import Session
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.prediction import TimedPlan
from autoprune.profiler.table.verification import NoiseFloor, Verification, VerifiedNetwork
from autoprune.profiler.timing.averaging import summary
from autoprune.profiler.timing.reference import Reference
from autoprune.space import Policy

_ROUNDS = 4
_FEWEST_RUNS, _MOST_RUNS = 3, 20
_VISIT_MS = 300.0  # slow networks are run less often
_STREAM = 1  # random policies other than those that a profile with the same seed looked at
_CLOSE = 0.05
_FEWEST_ANCHORS = 3  # that tell a constant from a factor


def verify(
    networks: Networks,
    table: LatencyTable,
    *,
    device: Device,
    count: int = 30,
    seed: int = 0,
    on_progress: OnProgress = silent,
) -> Verification:
    """Compare a table's predictions with the clock on `count` random policies, each measured twice, apart in time.

    All are measured in turns (four rounds), then all again: how far the two results lie apart is
    the noise floor. What changes meanwhile is divided out by the reference network, which is timed
    all along; by how much the machine is slower or faster than when the table was made, by the
    network's anchors, small and large ones, which are measured among the others (see
    `at_speed_of`): the result is the table's error alone, the change is stated beside it. The
    policies are none of those that the table's rows come from. Raises `BadInput` where the space is
    too small for two unseen ones or the table is of another network, `UnknownKernel` where it lacks
    a row.
    """
    timed = TimedPlan.of(table, networks.blueprint.digest, networks.blueprint.space)
    policies = unseen_policies(replace(networks.blueprint, space=timed.space), count, seed)
    if len(policies) < 2:
        raise BadInput(
            f"{count} networks cannot be checked: the space offers {len(policies)} beside those that were profiled"
        )
    predicted = timed.latency()(np.array([policy.widths for policy in policies], dtype=np.int64))
    runs = [_runs(ms) for ms in predicted]
    anchors = table.network(networks.blueprint.digest).anchors
    makers = [partial(networks, policy) for policy in (*(Policy(anchor.widths) for anchor in anchors), *policies)]
    with pinned(device):
        times = _measure(makers, [*map(_runs, (anchor.ms for anchor in anchors)), *runs], device, seed, on_progress)
    then_ms, now_ms = np.array([anchor.ms for anchor in anchors]), np.median(times[: len(anchors)], axis=1)
    first, second = np.split(at_speed_of(then_ms, now_ms, times[len(anchors) :]), 2, axis=1)
    speed = float(np.median(now_ms / then_ms))
    return judge(policies, predicted, first, second, speed=speed, interpolated=timed.coverage().interpolated)


def at_speed_of(then_ms: FloatArray, now_ms: FloatArray, times_ms: FloatArray) -> FloatArray:
    """What `times_ms` would have been when the anchors took `then_ms` [n] and not `now_ms` [n].

    A machine whose memory others use as well slows large networks and not small ones, one at a lower
    clock slows all alike: now = factor x then + constant, fitted to the anchors in relative terms. With
    fewer than three anchors, or where the fit says nonsense, the median ratio alone.
    """
    ratio = np.median(now_ms / then_ms)
    if len(then_ms) < _FEWEST_ANCHORS:
        return np.asarray(times_ms / ratio)
    equations = np.stack([np.ones_like(then_ms), 1 / then_ms], axis=1)
    (factor, constant), *_ = np.linalg.lstsq(equations, now_ms / then_ms, rcond=None)
    if factor <= 0 or constant >= times_ms.min():
        return np.asarray(times_ms / ratio)
    return np.asarray((times_ms - constant) / factor)


def _runs(ms: float) -> int:
    """How often to run a network that takes `ms` at a visit."""
    return int(np.clip(_VISIT_MS / ms, _FEWEST_RUNS, _MOST_RUNS))


def _measure(
    makers: Sequence[Callable[[], bytes]],
    runs: Sequence[int],
    device: Device,
    seed: int,
    tell: OnProgress,
) -> FloatArray:
    """Times in ms [networks, rounds], all at the median speed of the rounds."""
    rng, reference = np.random.default_rng(seed), Reference(device)
    times = np.empty((len(makers), 2 * _ROUNDS))
    speeds = np.empty(2 * _ROUNDS)
    for turn in range(2 * _ROUNDS):
        meanwhile = []
        for k in rng.permutation(len(makers)):
            meanwhile.append(reference.time_ms())
            session = Session(makers[k](), device)
            session.warm_up()
            times[k, turn] = session.time(runs[k]).median_ms
        speeds[turn] = np.median(meanwhile)
        tell("measuring unseen networks", (turn + 1) / (2 * _ROUNDS))
    return np.asarray(times / speeds * np.median(speeds))


def unseen_policies(blueprint: Blueprint, count: int, seed: int) -> list[Policy]:
    """Up to `count` random policies that no profile of this network with the same seed looks at."""
    seen = set(possible_policies(blueprint, seed))
    drawn = random_policies(blueprint.space, count + len(seen), (seed, _STREAM))
    return [policy for policy in drawn if policy not in seen][:count]


def judge(
    policies: Sequence[Policy],
    predicted_ms: FloatArray,
    first: FloatArray,
    second: FloatArray,
    *,
    speed: float,
    interpolated: float,
) -> Verification:
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
        within_5pct=float(np.mean(np.abs(error) <= _CLOSE)),
        within_10pct=float(np.mean(np.abs(error) <= 0.10)),
        within_noise=float(np.mean(np.abs(error) <= max(_CLOSE, float(np.max(np.abs(change)))))),
        rank_correlation=rank_correlation(predicted_ms, measured),
        interpolated=interpolated,
        speed=speed,
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
