"""How tables grow: what stays, what is replaced, and that predictions are those of the session that measured them."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from table_example import digest, example_network, example_plan, example_space, example_table

from autoprune.cost import FloatArray, Kernel, Measurement
from autoprune.errors import BadInput, ForeignTable
from autoprune.profiler.plan.kernel_plan import KernelPlan
from autoprune.profiler.table.latency_table import LatencyTable
from autoprune.profiler.table.merging import merge
from autoprune.profiler.table.network_profile import Anchor
from autoprune.profiler.table.prediction import TimedPlan

TABLE = example_table()
RELU = Kernel("Relu", ((1, 8),), ((1, 8),))


def test_a_table_grows_and_keeps_what_it_held() -> None:
    """Networks were fitted and verified on the rows that are there, so these stay."""
    tanh = Kernel("Tanh", ((1, 8),), ((1, 8),))
    newer = example_table(
        rows={RELU: Measurement(9.0, 0.1, 3), tanh: Measurement(0.5, 0.2, 3)},
        networks={"0" * 16: example_network("other")},
        day="2030-01-01",
    )
    merged = merge(TABLE, newer)
    assert merged.kernels[RELU] == TABLE.kernels[RELU]
    assert merged.kernels[tanh] == Measurement(0.5, 0.2, 3)
    assert len(merged.rows) == len(TABLE.rows) + 1
    assert set(merged.networks) == {digest(), "0" * 16}
    assert merged.created == "2030-01-01"
    assert merge(newer, TABLE).created == "2030-01-01"


def predictions(table: LatencyTable, network: str) -> FloatArray:
    """Of every policy of the example network, in ms."""
    space = example_space()
    widths = np.array(list(itertools.product(*(group.widths for group in space.groups))))
    return TimedPlan.of(table, network, space).latency()(widths)


def slower(factor: float, name: str = "small") -> LatencyTable:
    """The example profiled again where every kernel takes `factor` times as long; its fit goes with its own rows."""
    rows = {kernel: Measurement(t.median * factor, t.spread, t.runs) for kernel, t in TABLE.kernels.items()}
    network = dataclasses.replace(example_network(name), dense_ms=3.35 * factor, scale=0.9)
    return example_table(rows, {digest() if name == "small" else "1" * 16: network})


def test_a_network_that_is_profiled_again_is_predicted_from_its_newer_rows() -> None:
    newer = slower(1.5)
    merged = merge(TABLE, newer)
    assert merged.kernels == newer.kernels
    np.testing.assert_allclose(predictions(merged, digest()), predictions(newer, digest()))


def test_rows_that_another_network_relies_on_stay_and_the_newer_one_is_fitted_to_them() -> None:
    newer = slower(1.5, "other")
    merged = merge(TABLE, newer)
    assert merged.kernels == TABLE.kernels
    np.testing.assert_allclose(predictions(merged, digest()), predictions(TABLE, digest()))
    np.testing.assert_allclose(predictions(merged, "1" * 16), predictions(newer, "1" * 16))


def test_only_rows_that_another_network_cannot_execute_are_replaced() -> None:
    """The other network has the stem alone, the same one."""
    stem = dataclasses.replace(example_network("stem"), plan=KernelPlan(example_plan().sites[:1]))
    both = example_table(networks={digest(): example_network(), "2" * 16: stem})
    merged = merge(both, slower(1.5))
    [kernel] = stem.plan.kernels((24, 8))
    assert merged.kernels[kernel] == TABLE.kernels[kernel]
    assert merged.kernels[RELU] == slower(1.5).kernels[RELU]


def test_of_a_network_that_both_hold_the_newer_profile_counts() -> None:
    again = dataclasses.replace(example_network(), networks=77)
    assert merge(TABLE, example_table(networks={digest(): again})).network(digest()).networks == 77


@pytest.mark.parametrize("speed", [0.5, 2.0, 3.0])
def test_rows_measured_at_another_speed_are_brought_to_the_table_s(speed: float) -> None:
    """All that the newer session measured took `speed` times as long, the reference network too."""
    slow = {k: Measurement(t.median * speed, t.spread * speed, t.runs) for k, t in TABLE.kernels.items()}
    network = example_network()
    times = {name: getattr(network, name) * speed for name in ("constant_ms", "dense_ms")}
    anchors = tuple(Anchor(anchor.widths, anchor.ms * speed) for anchor in network.anchors)
    network = dataclasses.replace(network, anchors=anchors, **times)
    newer = example_table(slow, {"1" * 16: network}, reference_ms=speed * TABLE.reference.median)
    alone = example_table({RELU: TABLE.kernels[RELU]}, {})
    merged = merge(alone, newer)
    assert merged.reference == alone.reference
    for kernel, time in TABLE.kernels.items():
        assert merged.kernels[kernel].median == pytest.approx(time.median)
        assert merged.kernels[kernel].spread == pytest.approx(time.spread)
    widths = np.array([(24, 16), (8, 8)])
    predicted = TimedPlan.of(merged, "1" * 16, example_space()).latency()(widths)
    np.testing.assert_allclose(predicted, TimedPlan.of(TABLE, digest(), example_space()).latency()(widths))


def test_tables_of_two_devices_do_not_mix() -> None:
    with pytest.raises(ForeignTable, match="threads 1 against 4"):
        merge(TABLE, example_table(threads=4))


def test_tables_whose_speeds_cannot_be_compared_do_not_mix() -> None:
    newer = example_table({Kernel("Tanh", ((1,),), ((1,),)): Measurement(1e6, 0.1, 3)}, reference_ms=1e-8)
    with pytest.raises(BadInput, match=r"cannot be merged.*keep them apart"):
        merge(TABLE, newer)
