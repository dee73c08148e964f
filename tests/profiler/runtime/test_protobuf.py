from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from small_networks import CPU, small_network
from tiny import TinyNet

from autoprune.copies.networks import export_model
from autoprune.errors import CorruptFile
from autoprune.models import load_model
from autoprune.profiler.runtime.protobuf import Attribute, Node, read_nodes, with_initializers, write_model
from autoprune.profiler.runtime.session import Session
from autoprune.spec import ModelSpec

INT64 = st.integers(-(2**63), 2**63 - 1)


@functools.cache
def models() -> dict[str, bytes]:
    """Networks as torch exports them, as onnx writes them, and as the runtime optimises them."""
    exports = {
        "tiny": export_model(TinyNet(), torch.zeros(1, 1, 8, 8)),
        "digits_cnn": export_model(load_model(ModelSpec(name="digits_cnn"), num_classes=10), torch.zeros(2, 1, 8, 8)),
    }
    return {"small": small_network(12, 24), **{name: model.SerializeToString() for name, model in exports.items()}}


def optimised(model: bytes, folder: Path) -> bytes:
    """The graph that the runtime executes, in layouts and operators of its own."""
    Session(model, CPU, optimised_to=folder / "optimised.onnx")
    return (folder / "optimised.onnx").read_bytes()


def as_onnx_reads(model: bytes) -> list[Node]:
    return [
        Node(n.name, n.op_type, n.domain, tuple(n.input), tuple(n.output), tuple(map(attribute, n.attribute)))
        for n in onnx.load_from_string(model).graph.node
    ]


def attribute(proto: AttributeProto) -> Attribute:
    value: int | str | tuple[int, ...] | None = None
    if proto.type == AttributeProto.INT:
        value = proto.i
    elif proto.type == AttributeProto.STRING:
        value = proto.s.decode()
    elif proto.type == AttributeProto.INTS:
        value = tuple(proto.ints)
    return Attribute(proto.name, value)


@pytest.mark.parametrize("name", ["small", "tiny", "digits_cnn"])
def test_operators_are_those_that_the_onnx_package_reads(name: str, tmp_path: Path) -> None:
    model = models()[name]
    executed = optimised(model, tmp_path)
    assert len(read_nodes(model)) > 5
    assert read_nodes(model) == as_onnx_reads(model)
    assert read_nodes(executed) == as_onnx_reads(executed)
    assert any(isinstance(a.value, tuple) for node in read_nodes(executed) for a in node.attributes)


VALUES: st.SearchStrategy[Any] = st.one_of(
    INT64,
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.lists(INT64, min_size=1, max_size=5),
    st.floats(width=32, allow_nan=False),
    st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=3),
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=8)


@st.composite
def nodes(draw: st.DrawFn) -> onnx.NodeProto:
    attributes = draw(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, max_size=4))
    made = helper.make_node(
        draw(NAMES),
        draw(st.lists(NAMES, max_size=3)),
        draw(st.lists(NAMES, max_size=3)),
        draw(NAMES),
        domain=draw(NAMES),
    )
    made.attribute.extend(helper.make_attribute(name, value) for name, value in sorted(attributes.items()))
    return made


@given(st.lists(nodes(), max_size=4))
def test_any_nodes_are_read_as_the_onnx_package_reads_them(made: list[onnx.NodeProto]) -> None:
    model = helper.make_model(helper.make_graph(made, "any", [], [])).SerializeToString()
    assert read_nodes(model) == as_onnx_reads(model)


@given(st.lists(INT64, max_size=5))
def test_integers_are_read_packed_or_not(numbers: list[int]) -> None:
    """The two versions of the format differ in this."""
    model = onnx.ModelProto()
    model.graph.node.add().attribute.add(name="pads", type=AttributeProto.INTS, ints=numbers)
    one_by_one = b"".join(_field(8, 0, number) for number in numbers)
    packed = _field(8, 2, b"".join(_varint(number) for number in numbers))
    for written in (one_by_one, packed):
        inner = _field(1, 2, b"pads") + _field(20, 0, AttributeProto.INTS) + written
        message = _field(7, 2, _field(1, 2, _field(5, 2, inner)))
        assert onnx.load_from_string(message).graph.node == model.graph.node
        assert read_nodes(message)[0].attributes == (Attribute("pads", tuple(numbers)),)


def _varint(value: int) -> bytes:
    value %= 1 << 64
    return bytes([value & 0x7F | 0x80]) + _varint(value >> 7) if value > 0x7F else bytes([value])


def _field(number: int, wire: int, value: int | bytes) -> bytes:
    key = _varint(number << 3 | wire)
    return key + (_varint(value) if isinstance(value, int) else _varint(len(value)) + value)


@st.composite
def written_nodes(draw: st.DrawFn) -> Node:
    name = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
    attributes = draw(
        st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.lists(INT64, min_size=1).map(tuple))
    )
    listed = tuple(Attribute(key, value) for key, value in attributes.items())
    inputs = tuple(draw(st.lists(name, min_size=1, max_size=3)))
    return Node(draw(name), draw(name), "", inputs, (draw(name),), listed)


@given(st.lists(written_nodes(), max_size=4))
def test_nodes_survive_being_written_and_read(made: list[Node]) -> None:
    model = write_model(made, ("x", (1, 3)), ("y", (1, 4)))
    assert read_nodes(model) == made
    assert as_onnx_reads(model) == made


def test_a_written_model_is_one_that_onnx_checks_and_the_runtime_runs() -> None:
    nodes = [
        Node.of("Conv", ("x", "w"), "wide", pads=(1, 1, 1, 1)),
        Node.of("Squeeze", ("wide", "axes"), "flat"),
        Node.of("Transpose", ("flat",), "y", perm=(1, 2, 0)),
    ]
    weights = np.arange(4 * 3 * 9, dtype=np.float32).reshape(4, 3, 3, 3)
    model = onnx.load_from_string(
        with_initializers(write_model(nodes, ("x", (1, 3, 5, 6)), ("y", (5, 6, 4))), [("w", weights)])
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "axes"))
    onnx.checker.check_model(model, full_check=True)
    session = Session(model.SerializeToString(), CPU)
    [answer] = session.run()
    image = torch.from_numpy(session.inputs["x"])
    expected = torch.nn.functional.conv2d(image, torch.from_numpy(weights), padding=1)[0].permute(1, 2, 0)
    np.testing.assert_allclose(answer, expected.numpy(), rtol=1e-4)


def test_only_what_is_needed_is_written() -> None:
    with pytest.raises(TypeError, match="axis: only integers are written"):
        write_model([Node("n", "Softmax", "", ("x",), ("y",), (Attribute("axis", 1),))], ("x", (1,)), ("y", (1,)))


SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
DTYPES = st.sampled_from([np.float32, np.float16, np.float64])


@given(st.dictionaries(NAMES, st.tuples(SHAPES, DTYPES), max_size=4), st.booleans())
def test_weights_are_added_to_those_that_are_there(
    added: dict[str, tuple[tuple[int, ...], Any]], strided: bool
) -> None:
    model = models()["small"]
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal(shape).astype(dtype) for name, (shape, dtype) in added.items()}
    given_ones = {name: array.T if strided else array for name, array in arrays.items()}
    filled = onnx.load_from_string(with_initializers(model, list(given_ones.items())))
    before = onnx.load_from_string(model)
    assert list(filled.graph.node) == list(before.graph.node)
    held = list(filled.graph.initializer)
    assert held[: len(before.graph.initializer)] == list(before.graph.initializer)
    new = held[len(before.graph.initializer) :]
    assert [tensor.name for tensor in new] == list(given_ones)
    for tensor, array in zip(new, given_ones.values(), strict=True):
        read = numpy_helper.to_array(tensor)
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)


def test_a_model_filled_with_its_weights_runs_as_before() -> None:
    model = onnx.load_from_string(models()["digits_cnn"])
    weights = [
        (tensor.name, numpy_helper.to_array(tensor))
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    ]
    rest = onnx.ModelProto()
    rest.CopyFrom(model)
    rest.graph.ClearField("initializer")
    rest.graph.initializer.extend(t for t in model.graph.initializer if t.data_type != TensorProto.FLOAT)
    filled = with_initializers(rest.SerializeToString(), weights)
    onnx.checker.check_model(filled)
    np.testing.assert_array_equal(Session(filled, CPU).run(), Session(models()["digits_cnn"], CPU).run())


def is_nodes_or_corrupt(data: bytes) -> None:
    try:
        found = read_nodes(data)
    except CorruptFile:
        return
    assert all(isinstance(node, Node) for node in found)


@given(st.binary(max_size=200))
def test_garbage_is_corrupt_or_no_more_than_nodes(data: bytes) -> None:
    is_nodes_or_corrupt(data)
    is_nodes_or_corrupt(_field(7, 2, data))
    is_nodes_or_corrupt(_field(7, 2, _field(1, 2, data)))
    is_nodes_or_corrupt(_field(7, 2, _field(1, 2, _field(5, 2, data))))


@given(st.data())
def test_a_model_cut_off_or_damaged_is_corrupt_or_no_more_than_nodes(data: st.DataObject) -> None:
    model = bytearray(models()["tiny"])
    where = data.draw(st.integers(0, len(model) - 1))
    if data.draw(st.booleans()):
        is_nodes_or_corrupt(bytes(model[:where]))
    else:
        model[where] ^= 1 << data.draw(st.integers(0, 7))
        is_nodes_or_corrupt(bytes(model))


def test_a_model_cut_off_inside_its_graph_is_corrupt() -> None:
    with pytest.raises(CorruptFile, match="cut off or damaged"):
        read_nodes(models()["small"][:-100])


def test_a_model_without_nodes_has_none() -> None:
    assert read_nodes(b"") == []
