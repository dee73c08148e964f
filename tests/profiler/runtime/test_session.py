from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from small_networks import CPU, small_network

from autoprune.device import Device
from autoprune.errors import BadInput
from autoprune.profiler.runtime.session import Runs, Session

NETWORK = small_network(16, 32)


def double(shape: list[int | str], kind: int = TensorProto.FLOAT) -> bytes:
    """A network that doubles its input."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "double",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    opset = [helper.make_opsetid("", 20)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString())


def test_runs_the_network_on_its_own_inputs_and_on_given_ones() -> None:
    session = Session(double([2, 3]), CPU)
    [own] = session.run()
    [given] = session.run({"x": np.ones((2, 3), dtype=np.float32)})
    np.testing.assert_array_equal(own, 2 * session.inputs["x"])
    np.testing.assert_array_equal(given, 2.0)


def test_the_seed_makes_the_inputs_and_none_of_them_is_odd() -> None:
    first, again, other = (Session(NETWORK, CPU, seed=seed).inputs["x"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert np.isfinite(first).all()
    assert np.abs(first[first != 0]).min() > np.finfo(np.float32).tiny


def test_a_free_first_axis_is_the_batch() -> None:
    assert Session(double(["n", 3]), CPU, batch=5).inputs["x"].shape == (5, 3)
    assert Session(double([2, 3]), CPU, batch=5).inputs["x"].shape == (2, 3)


def test_another_free_axis_is_refused() -> None:
    with pytest.raises(BadInput, match="only the first axis may be free"):
        Session(double([1, "width"]), CPU)


def test_integer_inputs_are_zeros() -> None:
    assert (Session(double([4], TensorProto.INT64), CPU).inputs["x"] == 0).all()


def test_a_provider_that_is_not_installed_is_refused_and_never_replaced() -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(BadInput, match=r"provider cuda is not in this ONNX Runtime .* which has cpu"):
        Session(NETWORK, Device("cuda"))


def test_what_is_no_network_is_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(BadInput, match=r"broken\.onnx"):
        Session(broken, CPU)
    with pytest.raises(BadInput, match="the network: ONNX Runtime cannot load it"):
        Session(NETWORK[:1000], CPU)


def test_profiles_until_told_to_stop(tmp_path: Path) -> None:
    session = Session(NETWORK, CPU, profile_to=tmp_path)
    session.time(3)
    profile = session.end_profiling()
    written = profile.read_bytes()
    session.time(3)
    assert profile.parent == tmp_path
    assert written.count(b"linear_kernel_time") == 3
    assert profile.read_bytes() == written


def test_times_as_many_runs_as_asked_for() -> None:
    runs = Session(NETWORK, CPU).time(5)
    assert len(runs.ms) == len(runs.disturbed) == 5
    assert all(ms > 0 for ms in runs.ms)


@pytest.mark.parametrize(
    ("disturbed", "corrected", "median"),
    [
        ((False, False, True, True), False, 1.5),  # disturbed runs are set aside
        ((False, True, True, True, True), False, 3.0),  # unless hardly any is undisturbed
        ((False, False, True, True), True, 2.5),  # one thread's own time needs no setting aside
    ],
)
def test_disturbed_runs(disturbed: tuple[bool, ...], corrected: bool, median: float) -> None:
    runs = Runs(tuple(float(n + 1) for n in range(len(disturbed))), disturbed, corrected)
    assert runs.median_ms == median


def test_the_runs_that_plan_and_first_touch_the_memory_are_not_timed() -> None:
    assert Session(NETWORK, Device(threads=1)).warm_up() == 2


def test_threads_are_given_time_to_spread() -> None:
    """A small network takes microseconds, so many inferences fit into the time that the system needs."""
    assert Session(NETWORK, Device(threads=2)).warm_up() > 2
