from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from onnx import helper
from small_networks import CPU, SmallNetworks, small_network

from autoprune.profiler.runtime.events import read_events
from autoprune.profiler.runtime.executed import label, observe
from autoprune.profiler.runtime.protobuf import Node, read_nodes
from autoprune.profiler.runtime.session import Session
from autoprune.space import Policy


def test_what_is_executed_is_fused_and_shaped_as_in_real_life() -> None:
    kernels = observe(small_network(32, 48), CPU).kernels
    convolutions = [k for k in kernels if k.op.startswith("Conv")]
    assert len(convolutions) == 4
    assert not any(k.op == "Relu" for k in kernels)  # every one of them is part of a convolution
    assert kernels[-1].outputs == ((1, 10),)


def test_places_keep_their_names_from_one_session_and_one_width_to_the_next() -> None:
    wide, again, narrow = (observe(SmallNetworks()(Policy(p)), CPU) for p in ((32, 48), (32, 48), (16, 32)))
    assert [site.name for site in wide.sites] == [site.name for site in again.sites]
    assert wide.kernels == again.kernels
    assert len({site.name for site in wide.sites}) == len(wide.sites)
    convolutions = {site.name for site in wide.sites if site.kernel.op.startswith("Conv")}
    assert convolutions <= {site.name for site in narrow.sites}


def test_a_later_profile_is_read_by_the_same_kernels(tmp_path: Path) -> None:
    network = small_network(12, 24)
    execution = observe(network, CPU)
    session = Session(network, CPU, profile_to=tmp_path)
    session.time(1)
    events = read_events(session.end_profiling())
    assert [execution.kernel(node) for node in events.values()] == list(execution.kernels)


@pytest.mark.parametrize(
    ("op", "attributes", "written"),
    [
        ("Conv", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 8}, "Conv"),
        ("Conv", {"kernel_shape": [3, 3], "dilations": [2, 2]}, "Conv[dilations=2,2]"),
        ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2]}, "MaxPool[kernel_shape=3,3;strides=2,2]"),
        ("Transpose", {"perm": [0, 2, 1]}, "Transpose[perm=0,2,1]"),
        ("Gemm", {"transB": 1, "transA": 0, "alpha": 0.5}, "Gemm[transB=1]"),
        ("Pad", {"mode": "reflect"}, "Pad[mode=reflect]"),
    ],
)
def test_a_label_says_what_shapes_do_not(op: str, attributes: dict[str, Any], written: str) -> None:
    assert label(node(op, **attributes)) == written


def test_a_label_says_the_layout() -> None:
    assert label(node("Conv", domain="com.microsoft.nchwc", activation="Relu")) == "Conv.nchwc[activation=Relu]"


def node(op: str, **attributes: Any) -> Node:
    """One operator, written by the onnx package and read by the profiler."""
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], **attributes)], "one", [], [])
    [only] = read_nodes(bytes(helper.make_model(graph).SerializeToString()))
    return only
