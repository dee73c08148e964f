from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from small_networks import CPU, SmallNetworks, small_space

from autoprune.errors import BadInput, ForeignTable
from autoprune.profiler.fingerprint import DeviceFingerprint
from autoprune.profiler.profile import profile, timed_plan
from autoprune.profiler.table import LatencyTable, Verification
from autoprune.profiler.verify import judge, verify
from autoprune.space import ChannelGroup, Policy, SearchSpace
from autoprune.spec import DeviceSpec

SPACE = small_space()


@functools.cache
def table() -> LatencyTable:
    return profile(SmallNetworks(), SPACE, device=CPU, seconds=0.5, seed=3, name="small")


def test_a_table_says_what_was_measured_where_and_how_it_adds_up() -> None:
    [fit] = table().networks.values()
    assert table().fingerprint == DeviceFingerprint.here(CPU)
    assert fit.name == "small"
    assert fit.networks >= 10
    assert fit.unexplained == 0
    assert all(row.ms > 0 and row.visits >= 2 for row in table().rows)


def test_every_policy_on_offer_has_a_latency(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    table().save(path)
    timed = timed_plan(SmallNetworks(), SPACE, LatencyTable.load(path), device=CPU)
    widths = np.array([(a, b) for a in SPACE.groups[0].widths for b in SPACE.groups[1].widths])
    latency = timed.latency_model()(widths)
    sums = np.array([timed.kernel_sum_ms(units) for units in widths.tolist()])
    np.testing.assert_allclose(latency, timed.constant_ms + timed.scale * sums)
    assert (sums > 0).all()
    assert timed.coverage().unknown == 0


def test_the_same_seed_looks_at_the_same_networks() -> None:
    asked = []
    for _ in range(2):
        made = SmallNetworks()
        profile(made, SPACE, device=CPU, seconds=0.1, seed=5)
        asked.append(list(dict.fromkeys(made.asked)))
    assert asked[0] == asked[1]


def test_a_network_without_groups_can_be_profiled() -> None:
    alone = SearchSpace(())

    class Alone:
        candidates = ()

        def __call__(self, policy: Policy) -> bytes:
            assert policy == Policy(())
            return SmallNetworks()(Policy((32, 48)))

    measured = profile(Alone(), alone, device=CPU, seconds=0.1)
    timed = timed_plan(Alone(), alone, measured, device=CPU)
    assert timed.latency_model()(np.zeros((1, 0), dtype=np.int64))[0] > 0
    with pytest.raises(BadInput, match="cannot be checked"):
        verify(Alone(), timed, device=CPU, count=5)


def test_a_foreign_table_is_refused_unless_allowed() -> None:
    foreign = table().model_copy(update={"fingerprint": table().fingerprint.model_copy(update={"cpu": "Another"})})
    with pytest.raises(ForeignTable, match="cpu Another against"):
        timed_plan(SmallNetworks(), SPACE, foreign, device=CPU)
    timed_plan(SmallNetworks(), SPACE, foreign, device=DeviceSpec(allow_foreign_table=True))


def test_a_table_of_other_networks_is_refused() -> None:
    narrower = SearchSpace((ChannelGroup("inner", 16, (8, 16), ("inner",)), SPACE.groups[1]))
    with pytest.raises(BadInput, match="does not hold this network"):
        timed_plan(SmallNetworks(narrower), narrower, table(), device=CPU)


def test_a_provider_that_is_not_there_is_refused_before_anything_is_run() -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    made = SmallNetworks()
    with pytest.raises(BadInput, match="provider cuda"):
        profile(made, SPACE, device=DeviceSpec(provider="cuda"), seconds=1)
    assert made.asked == []


def test_a_table_is_checked_on_networks_it_was_not_made_from() -> None:
    made = SmallNetworks()
    timed = timed_plan(made, SPACE, table(), device=CPU, seed=3)
    made.asked.clear()
    found = verify(made, timed, device=CPU, count=4, seed=3, runs=2)
    assert found.networks == len(found.rows) == 4
    assert {Policy(row.widths) for row in found.rows} == set(made.asked)
    for row in found.rows:
        assert row.error == pytest.approx((row.predicted_ms - row.measured_ms) / row.measured_ms, abs=1e-2)
    assert set(found.model_dump(mode="json")) == {
        *("networks", "mape", "max_error", "within_5pct", "within_10pct", "rank_correlation", "noise_floor", "rows"),
    }


def judged(predicted: list[float], first: list[float], second: list[float]) -> Verification:
    policies = [Policy((n + 1,)) for n in range(len(predicted))]
    return judge(policies, np.array(predicted), np.array(first)[:, None], np.array(second)[:, None])


def test_errors_are_fractions_of_what_was_measured() -> None:
    found = judged([1.0, 2.16, 2.76], first=[1.0, 2.0, 3.0], second=[1.0, 2.0, 3.0])
    assert found.mape == pytest.approx((0 + 0.08 + 0.08) / 3)
    assert found.max_error == pytest.approx(0.08)
    assert found.within_5pct == pytest.approx(1 / 3)
    assert found.within_10pct == pytest.approx(1.0)
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.noise_floor.mape == 0


def test_the_noise_floor_is_what_two_measurements_differ_by() -> None:
    found = judged([1.0, 2.0], first=[0.9, 1.9], second=[1.1, 2.1])
    assert found.noise_floor.mape == pytest.approx((0.2 + 0.1) / 2)
    assert found.noise_floor.max_error == pytest.approx(0.2)
    assert found.noise_floor.drift == pytest.approx(0.15)


def test_ranks_of_equal_times_are_not_correlated() -> None:
    assert judged([1.0, 1.0], first=[1.0, 2.0], second=[1.0, 2.0]).rank_correlation == 0
