"""The few parts of an ONNX file that are needed on a device, read and written there without the onnx package.

ONNX files are protocol buffers: a message is a row of fields, each a key (number and wire type) and a
value (https://protobuf.dev/programming-guides/encoding). Two facts make this short: a field that is not
known can be skipped, and two serialised messages put one after the other are their merge, so that
weights can be appended to a network that was written without them. Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from autoprune.errors import CorruptFile

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ALL_BITS = (1 << 64) - 1

_MODEL_VERSION, _MODEL_GRAPH, _MODEL_OPERATORS, _OPERATORS_VERSION = 1, 7, 8, 2
_GRAPH_NODE, _GRAPH_NAME, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 3, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_STRING, _ATTRIBUTE_INTS, _ATTRIBUTE_TYPE = 1, 3, 4, 8, 20
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_TYPE_INT, _TYPE_STRING, _TYPE_INTS = 2, 3, 7
_VALUE_NAME, _VALUE_TYPE, _TYPE_TENSOR, _TENSOR_KIND, _TENSOR_SHAPE, _SHAPE_DIM, _DIM_VALUE = 1, 2, 1, 1, 2, 1, 1

_FORMAT, _OPERATORS = 8, 17  # versions of the file format and of the operators that `write_model` uses

# ONNX's numbers of element types.
FLOATS: Mapping[int, np.dtype[Any]] = {1: np.dtype(np.float32), 10: np.dtype(np.float16), 11: np.dtype(np.float64)}

Field = tuple[int, int, "int | memoryview"]  # number, wire type, value


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a node: an integer, integers or a text; None where it is of another type (floats, tensors)."""

    name: str
    value: int | tuple[int, ...] | str | None


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of a graph: what it reads and writes by name."""

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[Attribute, ...]

    @classmethod
    def of(cls, op_type: str, inputs: tuple[str, ...], output: str, **attributes: tuple[int, ...]) -> Self:
        """A standard operator of one output, called after it, with attributes of integers."""
        listed = tuple(Attribute(name, value) for name, value in attributes.items())
        return cls(output, op_type, "", inputs, (output,), listed)


def read_nodes(model: bytes) -> list[Node]:
    """The operators of a serialised ONNX model, in order; raises `CorruptFile` where it is not one."""
    try:
        return [_node(node) for graph in _of(memoryview(model), _MODEL_GRAPH) for node in _of(graph, _GRAPH_NODE)]
    except (IndexError, ValueError, UnicodeDecodeError):
        raise CorruptFile("not an ONNX model: its protocol buffer is cut off or damaged") from None


def read_weight_shapes(model: bytes) -> dict[str, tuple[int, ...]]:
    """The shapes of a serialised ONNX model's weights, by name; raises `CorruptFile` where it is not one."""
    try:
        graphs = _of(memoryview(model), _MODEL_GRAPH)
        return dict(_named_shape(tensor) for graph in graphs for tensor in _of(graph, _GRAPH_INITIALIZER))
    except (IndexError, ValueError, UnicodeDecodeError):
        raise CorruptFile("not an ONNX model: its protocol buffer is cut off or damaged") from None


def with_initializers(model: bytes, tensors: Sequence[tuple[str, NDArray[np.floating[Any]]]]) -> bytes:
    """A serialised ONNX model with (name, array) weights added to its graph."""
    lengths_and_parts: list[bytes | memoryview] = []
    size = 0
    for name, array in tensors:
        head, data = _tensor(name, array)
        lengths_and_parts += [head, data]
        size += len(head) + len(data)
    return b"".join([model, _key(_MODEL_GRAPH, _BYTES), _varint(size), *lengths_and_parts])


def write_model(nodes: Sequence[Node], source: tuple[str, tuple[int, ...]], sink: tuple[str, tuple[int, ...]]) -> bytes:
    """A serialised ONNX model of standard operators with one float input and one float output (name, shape)."""
    graph = b"".join(_message(_GRAPH_NODE, _node_bytes(node)) for node in nodes)
    graph += (
        _text(_GRAPH_NAME, "graph") + _message(_GRAPH_INPUT, _port(*source)) + _message(_GRAPH_OUTPUT, _port(*sink))
    )
    operators = _number(_OPERATORS_VERSION, _OPERATORS)
    return _number(_MODEL_VERSION, _FORMAT) + _message(_MODEL_GRAPH, graph) + _message(_MODEL_OPERATORS, operators)


def _node_bytes(node: Node) -> bytes:
    names = [_text(_NODE_INPUT, name) for name in node.inputs] + [_text(_NODE_OUTPUT, name) for name in node.outputs]
    attributes = [_message(_NODE_ATTRIBUTE, _attribute_bytes(one)) for one in node.attributes]
    return b"".join([*names, _text(_NODE_NAME, node.name), _text(_NODE_OP, node.op_type), *attributes])


def _attribute_bytes(attribute: Attribute) -> bytes:
    if not isinstance(attribute.value, tuple):
        raise TypeError(f"attribute {attribute.name}: only integers are written")
    numbers = b"".join(_number(_ATTRIBUTE_INTS, value) for value in attribute.value)
    return _text(_ATTRIBUTE_NAME, attribute.name) + numbers + _number(_ATTRIBUTE_TYPE, _TYPE_INTS)


def _port(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_message(_SHAPE_DIM, _number(_DIM_VALUE, length)) for length in shape)
    tensor = _number(_TENSOR_KIND, 1) + _message(_TENSOR_SHAPE, dims)
    return _text(_VALUE_NAME, name) + _message(_VALUE_TYPE, _message(_TYPE_TENSOR, tensor))


def _tensor(name: str, array: NDArray[np.floating[Any]]) -> tuple[bytes, memoryview]:
    """The field `initializer` of a graph: all of it but its contents, which come last, and its contents."""
    number = next(number for number, kind in FLOATS.items() if kind == array.dtype)
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    dims = b"".join(_number(_TENSOR_DIMS, length) for length in array.shape)
    body = (
        dims
        + _number(_TENSOR_TYPE, number)
        + _text(_TENSOR_NAME, name)
        + _key(_TENSOR_RAW, _BYTES)
        + _varint(len(data))
    )
    return _key(_GRAPH_INITIALIZER, _BYTES) + _varint(len(body) + len(data)) + body, data


def _node(message: memoryview) -> Node:
    texts: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_NAME: [], _NODE_OP: [], _NODE_DOMAIN: []}
    attributes = []
    for number, _, value in _fields(message):
        if number in texts and isinstance(value, memoryview):
            texts[number].append(str(value, "utf-8"))
        elif number == _NODE_ATTRIBUTE and isinstance(value, memoryview):
            attributes.append(_attribute(value))
    name, op, domain = ("".join(texts[number][-1:]) for number in (_NODE_NAME, _NODE_OP, _NODE_DOMAIN))
    return Node(name, op, domain, tuple(texts[_NODE_INPUT]), tuple(texts[_NODE_OUTPUT]), tuple(attributes))


def _named_shape(tensor: memoryview) -> tuple[str, tuple[int, ...]]:
    name, dims = "", []
    for number, _, value in _fields(tensor):
        if number == _TENSOR_NAME and isinstance(value, memoryview):
            name = str(value, "utf-8")
        elif number == _TENSOR_DIMS:
            dims += [value] if isinstance(value, int) else list(_packed(value))
    return name, tuple(dims)


def _attribute(message: memoryview) -> Attribute:
    name, kind, number_value, text, numbers = "", 0, 0, "", []
    for number, _, value in _fields(message):
        if number == _ATTRIBUTE_NAME and isinstance(value, memoryview):
            name = str(value, "utf-8")
        elif number == _ATTRIBUTE_TYPE and isinstance(value, int):
            kind = value
        elif number == _ATTRIBUTE_INT and isinstance(value, int):
            number_value = _signed(value)
        elif number == _ATTRIBUTE_STRING and isinstance(value, memoryview):
            text = str(value, "utf-8", "replace")
        elif number == _ATTRIBUTE_INTS:
            numbers += [_signed(value)] if isinstance(value, int) else [_signed(one) for one in _packed(value)]
    values: dict[int, int | str | tuple[int, ...]] = {
        _TYPE_INT: number_value,
        _TYPE_STRING: text,
        _TYPE_INTS: tuple(numbers),
    }
    return Attribute(name, values.get(kind))


def _of(message: memoryview, number: int) -> Iterator[memoryview]:
    """The messages or texts in the fields `number` of `message`."""
    return (value for found, _, value in _fields(message) if found == number and isinstance(value, memoryview))


def _fields(message: memoryview) -> Iterator[Field]:
    """The fields of a serialised message, in order; raises `IndexError` or `ValueError` where it is cut off."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _read_varint(message, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, at = _read_varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(message):
            raise IndexError("the message ends inside a field")
        yield number, wire, message[at : at + size]
        at += size


def _packed(numbers: memoryview) -> Iterator[int]:
    at = 0
    while at < len(numbers):
        value, at = _read_varint(numbers, at)
        yield value


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that starts at `at` (7 bits a byte, the least first), and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number longer than 64 bits")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(value: int) -> bytes:
    """7 bits a byte, the least first; negative numbers are written as 64 bits in two's complement."""
    written = bytearray()
    value &= _ALL_BITS
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _key(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _number(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _message(number: int, content: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())
