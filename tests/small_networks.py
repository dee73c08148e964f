"""Pruned copies of a small network written straight as ONNX, without torch and without a tracer."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from autoprune.cost import Extent
from autoprune.device import Device
from autoprune.profiler.plan.blueprint import Blueprint, units_of
from autoprune.space import ChannelGroup, Policy, SearchSpace

CPU = Device()
CLASSES = 10
SIZE = 16  # pixels a side
SHAPE = (1, 3, SIZE, SIZE)


def small_space() -> SearchSpace:
    """Two groups: the inner channels of a residual block, and those of the convolution after it."""
    inner = ChannelGroup("inner", 32, (4, 8, 12, 16, 24, 32), ("inner", "outer"))
    last = ChannelGroup("last", 48, (16, 24, 32, 48), ("last", "linear"))
    return SearchSpace((inner, last))


def small_blueprint(space: SearchSpace | None = None, digest: str = "5" * 16) -> Blueprint:
    """The small network, with the widths that `space` offers."""
    candidates = (Extent(0, ((0, 1),)), Extent(0, ((1, 1),)))
    return Blueprint("small", digest, SHAPE, space or small_space(), candidates)


class SmallNetworks:
    """Maps images (1, 3, 16, 16) to logits (1, 10): stem, residual block, pool, convolution, flatten, linear."""

    def __init__(self, space: SearchSpace | None = None) -> None:
        self.blueprint = small_blueprint(space)
        self.asked: list[Policy] = []

    def __call__(self, policy: Policy) -> bytes:
        self.asked.append(policy)
        return small_network(*units_of(self.blueprint.space, policy))


class Alone:
    """One network without a channel group."""

    blueprint = Blueprint("alone", "a" * 16, SHAPE, SearchSpace(()), ())

    def __call__(self, policy: Policy) -> bytes:
        assert policy == Policy(())
        return small_network(32, 48)


def small_network(inner: int, last: int) -> bytes:
    """`small_model`, serialised."""
    return bytes(small_model(inner, last).SerializeToString())


def small_model(inner: int, last: int, *, fan_out: int = 32, flat: bool = True) -> ModelProto:
    """The network with `inner` and `last` channels, and `fan_out` in its residual stream.

    Its reshape names a length that depends on the policy; `flat = False` leaves the reshape out.
    """
    rng = np.random.default_rng(0)
    weights = {
        "stem.w": rng.standard_normal((fan_out, 3, 3, 3)),
        "inner.w": rng.standard_normal((64, fan_out, 3, 3))[:inner] / 10,
        "outer.w": rng.standard_normal((fan_out, 64, 3, 3))[:, :inner] / 10,
        "last.w": rng.standard_normal((64, fan_out, 3, 3))[:last] / 10,
        "linear.w": rng.standard_normal((64 * 64, CLASSES))[: last * 64],
    }
    side = SIZE // 2
    nodes: list[NodeProto] = [
        _conv("x", "stem"),
        helper.make_node("Relu", ["stem"], ["stem.relu"], "stem.relu"),
        _conv("stem.relu", "inner"),
        helper.make_node("Relu", ["inner"], ["inner.relu"], "inner.relu"),
        _conv("inner.relu", "outer"),
        helper.make_node("Add", ["outer", "stem.relu"], ["add"], "add"),
        helper.make_node("MaxPool", ["add"], ["pool"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        _conv("pool", "last"),
        helper.make_node("Relu", ["last"], ["last.relu"], "last.relu"),
        helper.make_node("Reshape" if flat else "Flatten", ["last.relu"] + ["target"] * flat, ["flat"], "flat"),
        helper.make_node("MatMul", ["flat", "linear.w"], ["y"], "linear"),
    ]
    initializers = [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()]
    if flat:
        initializers.append(numpy_helper.from_array(np.array([1, last * side * side]), "target"))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, CLASSES])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _conv(source: str, name: str) -> NodeProto:
    return helper.make_node("Conv", [source, f"{name}.w"], [name], name, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
