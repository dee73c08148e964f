"""All pruned copies of one network as ONNX files, made from a few exports; free of torch.

An export by torch takes seconds, and a table needs dozens of networks. They differ only in the
lengths of their axes and in the integers that name lengths (a reshape's target, a pad's width),
all affine functions of the policy. A family holds the dense export and these functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from autoprune.cost import Extent
from autoprune.errors import AutopruneError
from autoprune.profiler.plan.blueprint import Blueprint, units_of
from autoprune.profiler.plan.extents import Axis, Units, explanations
from autoprune.profiler.runtime.protobuf import FLOATS
from autoprune.profiler.runtime.skeleton import Skeleton, Weight
from autoprune.space import Policy

# Longer integer tensors are indices, not lengths.
_MOST_INTEGERS = 64
# Fewer floats than this are a constant of the network, not weights.
_MOST_CONSTANTS = 8
_INTEGER_TYPES = frozenset({TensorProto.INT64, TensorProto.INT32})


class NotAFamily(AutopruneError):
    """Pruned copies of this network differ in more than lengths, so each needs an export of its own."""


@dataclass(frozen=True)
class NetworkFamily:
    """The pruned copies of one network, their lengths computed by `rules` from the dense one.

    `dense` is the dense network without its `weights`; a rule gives one length or integer, by its key.
    """

    blueprint: Blueprint
    dense: ModelProto
    weights: Mapping[str, Weight]
    rules: Mapping[str, Extent]

    def __call__(self, policy: Policy) -> bytes:
        """The network of `policy` as a serialised ONNX model; raises `BadInput` for an illegal policy."""
        return self.skeleton(policy).filled()

    def skeleton(self, policy: Policy) -> Skeleton:
        """The network of `policy` without its weights; raises `BadInput` for an illegal policy."""
        self.blueprint.space.check(policy)
        units = units_of(self.blueprint.space, policy)
        model = ModelProto()
        model.CopyFrom(self.dense)
        for place in _places(model.graph):
            if place.key in self.rules:
                place.write(self.rules[place.key].at(units))
        weights = tuple(replace(weight, shape=self._shape(weight, units)) for weight in self.weights.values())
        return Skeleton(bytes(model.SerializeToString()), weights)

    def _shape(self, weight: Weight, units: Sequence[int]) -> tuple[int, ...]:
        rules = (self.rules.get(f"{weight.name}.shape[{axis}]") for axis in range(len(weight.shape)))
        return tuple(n if rule is None else rule.at(units) for rule, n in zip(rules, weight.shape, strict=True))


def make_family(blueprint: Blueprint, policies: Sequence[Policy], exports: Sequence[ModelProto]) -> NetworkFamily:
    """Find the functions behind `exports`, one export a policy; the first policy is the dense one.

    The last export is held out: it is only compared with the network that the functions give.
    Raises `NotAFamily`, with the reason, where the exports differ in more than lengths.
    """
    models = [_stripped(export) for export in exports]
    integers = [_integers(model) for model in models]
    structure = _structure(models[0])
    for model, found in zip(models[1:], integers[1:], strict=True):
        if _structure(model) != structure or found.keys() != integers[0].keys():
            raise NotAFamily("the exporter writes other operators for other widths")
    units = np.array([units_of(blueprint.space, policy) for policy in policies], dtype=np.int64)
    observed = {key: [found[key] for found in integers] for key in integers[0]}
    candidates = blueprint.candidates
    rules = {key: _rule(key, values, units, candidates) for key, values in observed.items() if len(set(values)) > 1}
    cut = {key.rpartition(".shape[")[0] for key in rules if ".shape[" in key}
    family = NetworkFamily(blueprint, *_split(models[0], cut), rules)
    _compare(family.skeleton(policies[-1]), structure, integers[-1])
    return family


def skeleton_of(export: ModelProto) -> Skeleton:
    """An exported network without its weights."""
    rest, weights = _split(_stripped(export), set())
    return Skeleton(bytes(rest.SerializeToString()), tuple(weights.values()))


def _rule(key: str, values: Sequence[int], units: Units, candidates: Sequence[Extent]) -> Extent:
    found = explanations(values[:-1], units[:-1], candidates)
    extents = [a.extent for a in found if isinstance(a, Axis) and a.block == 1]
    extents = [extent for extent in extents if extent.at(units[-1].tolist()) == values[-1]]
    if not extents:
        raise NotAFamily(f"no affine function of the widths gives {key} = {values}")
    if len(extents) > 1:
        raise NotAFamily(f"{len(extents)} functions of the widths give {key} = {values}")
    return extents[0]


def _compare(skeleton: Skeleton, structure: object, integers: Mapping[str, int]) -> None:
    model = ModelProto.FromString(skeleton.model)
    model.graph.initializer.extend(
        TensorProto(name=weight.name, data_type=weight.kind, dims=weight.shape) for weight in skeleton.weights
    )
    if _structure(model) != structure or _integers(model) != integers:
        raise NotAFamily("the network made for a held-out policy is not the one that the exporter writes for it")


@dataclass(frozen=True, slots=True)
class _Place:
    """One integer of a graph (outside its weights): its name, its value, and how to change it."""

    key: str
    value: int
    write: Callable[[int], None]


def _stripped(model: ModelProto) -> ModelProto:
    """`model` without the notes and the inner shapes that the exporter leaves in it."""
    bare = ModelProto()
    bare.CopyFrom(model)
    bare.ClearField("metadata_props")
    bare.graph.ClearField("value_info")
    bare.graph.ClearField("metadata_props")
    values: list[NodeProto | ValueInfoProto] = [*bare.graph.node, *bare.graph.input, *bare.graph.output]
    for value in values:
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    return bare


def _split(model: ModelProto, cut: Container[str]) -> tuple[ModelProto, dict[str, Weight]]:
    """`model` without its weights, and the weights; `cut` names those whose shape depends on the policy.

    Integers stay, and so do the few floats of a constant (a bound of a clip, a scale).
    """
    weights = {
        i.name: Weight(i.name, i.data_type, tuple(i.dims))
        for i in model.graph.initializer
        if i.data_type in FLOATS and (i.name in cut or math.prod(i.dims) > _MOST_CONSTANTS)
    }
    rest = ModelProto()
    rest.CopyFrom(model)
    kept = [i for i in rest.graph.initializer if i.name not in weights]
    rest.graph.ClearField("initializer")
    for initializer in kept:
        rest.graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(initializer), initializer.name))
    return rest, weights


def _names_lengths(tensor: TensorProto) -> bool:
    return tensor.data_type in _INTEGER_TYPES and int(np.prod(tensor.dims, dtype=np.int64)) <= _MOST_INTEGERS


def _structure(model: ModelProto) -> object:
    """Everything but lengths, as something that compares: operators, names, edges, other attributes."""
    graph = model.graph
    nodes = [(n.op_type, n.domain, n.name, tuple(n.input), tuple(n.output), _fixed(n)) for n in graph.node]
    tensors = sorted((i.name, i.data_type, _fixed_tensor(i)) for i in graph.initializer)
    ports = [(p.name, p.type.tensor_type.elem_type) for p in (*graph.input, *graph.output)]
    return nodes, tensors, ports, [f.SerializeToString() for f in model.functions]


def _fixed(node: NodeProto) -> tuple[object, ...]:
    lengths = (AttributeProto.INT, AttributeProto.INTS)
    return tuple((a.name, None if a.type in lengths else a.SerializeToString()) for a in node.attribute)


def _fixed_tensor(tensor: TensorProto) -> bytes:
    """Contents that must be equal in all copies: long integer tensors hold indices, which no rule could cut."""
    if tensor.data_type in _INTEGER_TYPES and not _names_lengths(tensor):
        return bytes(numpy_helper.to_array(tensor).tobytes())
    return b""


def _integers(model: ModelProto) -> dict[str, int]:
    """Every length in `model`: axes of weights and of outputs, integer tensors, integer attributes."""
    found = {place.key: place.value for place in _places(model.graph)}
    for tensor in model.graph.initializer:
        found.update({f"{tensor.name}.shape[{axis}]": length for axis, length in enumerate(tensor.dims)})
    return found


def _places(graph: GraphProto) -> Iterator[_Place]:
    for node in graph.node:
        for attribute in node.attribute:
            yield from _attribute_places(f"{node.output[0]}.{attribute.name}", attribute)
    for tensor in graph.initializer:
        if _names_lengths(tensor):
            yield from _tensor_places(tensor)
    for port in (*graph.input, *graph.output):
        for axis, dim in enumerate(port.type.tensor_type.shape.dim):
            yield _Place(f"{port.name}.port[{axis}]", dim.dim_value, _writer(dim, "dim_value"))


def _attribute_places(key: str, attribute: AttributeProto) -> Iterator[_Place]:
    if attribute.type == AttributeProto.INT:
        yield _Place(key, attribute.i, _writer(attribute, "i"))
    for position, value in enumerate(attribute.ints):
        yield _Place(f"{key}[{position}]", value, _item_writer(attribute.ints, position))


def _tensor_places(tensor: TensorProto) -> Iterator[_Place]:
    values = numpy_helper.to_array(tensor)
    for position, value in enumerate(values.flat):
        yield _Place(f"{tensor.name}[{position}]", int(value), _tensor_writer(tensor, position))


def _writer(message: Any, name: str) -> Callable[[int], None]:
    return lambda value: setattr(message, name, value)


def _item_writer(items: Any, position: int) -> Callable[[int], None]:
    return lambda value: items.__setitem__(position, value)


def _tensor_writer(tensor: TensorProto, position: int) -> Callable[[int], None]:
    def write(value: int) -> None:
        values = numpy_helper.to_array(tensor).copy()
        values.reshape(-1)[position] = value
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    return write
