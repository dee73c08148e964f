"""What the runtime makes of one network: its optimised graph as kernels; free of torch."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoprune.cost import Kernel
from autoprune.device import Device
from autoprune.profiler.runtime.events import NodeEvents, Shape, read_events
from autoprune.profiler.runtime.protobuf import Attribute, Node, read_nodes, read_weight_shapes
from autoprune.profiler.runtime.session import Session

# Attributes that the shapes already tell, or that do not change the work done. Pads and strides of a
# convolution follow from its shapes; its group count is its input's channels over its weights'.
_TOLD_BY_SHAPES = frozenset({"group", "auto_pad", "kernel_shape", "pads", "strides", "ceil_mode", "storage_order"})
_WINDOW = frozenset({"kernel_shape", "strides"})
_POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})
_WITHOUT_WORK = frozenset({"allowzero", "channels"})


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the optimised graph that is the same place in every pruned copy of the network."""

    name: str
    kernel: Kernel


@dataclass(frozen=True, slots=True)
class Execution:
    """The kernels that one network executes, in order, and how later profiles of it are to be read."""

    sites: tuple[Site, ...]
    by_name: Mapping[str, Kernel]
    by_shape: Mapping[tuple[str, tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]], Kernel]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """One kernel a site, in the order of execution."""
        return tuple(site.kernel for site in self.sites)

    @property
    def counts(self) -> Mapping[Kernel, int]:
        """How often each kernel stands in the network."""
        return Counter(self.kernels)

    @property
    def distinct(self) -> tuple[Kernel, ...]:
        """The kernels without repetition, in the order in which they first occur."""
        return tuple(dict.fromkeys(self.kernels))

    def kernel(self, events: NodeEvents) -> Kernel:
        """The kernel that `events` of this network timed.

        Nodes that the runtime made up itself may be named differently in every session; those of
        one operator and equal shapes are one kernel.
        """
        known = self.by_name.get(events.name)
        return known if known is not None else self.by_shape[events.op, events.inputs, events.outputs]


def observe(network: bytes, device: Device) -> Execution:
    """Run `network` once with the profiler on and read what was executed; raises `BadInput` if it does not load."""
    with tempfile.TemporaryDirectory(prefix="autoprune-") as folder:
        graph_file = Path(folder, "optimised.onnx")
        session = Session(network, device, profile_to=Path(folder), optimised_to=graph_file)
        session.run()
        events = read_events(session.end_profiling())
        optimised = graph_file.read_bytes()
    graph, weights = read_nodes(optimised), read_weight_shapes(optimised)
    nodes = {node.name: node for node in graph}
    names = _Names(graph)
    sites, by_name, by_shape = [], {}, {}
    for event in events.values():
        node = nodes.get(event.name)
        inputs = _with_filters(event.inputs, node, weights) if node else event.inputs
        kernel = Kernel(label(node) if node else event.op, inputs, event.outputs)
        sites.append(Site(names(node) if node else event.name, kernel))
        if node is None or not _made_up(node):
            by_name[event.name] = kernel
        by_shape[event.op, event.inputs, event.outputs] = kernel
    return Execution(tuple(_distinct(sites)), by_name, by_shape)


def _with_filters(inputs: tuple[Shape, ...], node: Node, weights: Mapping[str, Shape]) -> tuple[Shape, ...]:
    """The shapes that `node` reads, a convolution's weights too where the profile leaves them out.

    It does so where the runtime has repacked them, as it does for transposed convolutions; but they
    tell the window and the groups, which no label says.
    """
    filters = weights.get(node.inputs[1]) if "Conv" in node.op_type and len(node.inputs) > 1 else None
    return inputs if filters is None or inputs[1:2] == (filters,) else (inputs[0], filters, *inputs[1:])


def label(node: Node) -> str:
    """Operator and layout of `node`, with the attributes that change its work but not its shapes.

    `Conv.nchwc` is a convolution on channels in blocks, `Conv[dilations=2,2]` a dilated one.
    """
    domain = node.domain.rpartition(".")[2]
    name = f"{node.op_type}.{domain}" if domain not in ("", "onnx", "ai") else node.op_type
    told = _TOLD_BY_SHAPES - _WINDOW if node.op_type in _POOLS else _TOLD_BY_SHAPES
    texts = (_attribute(a) for a in sorted(node.attributes, key=lambda a: a.name) if a.name not in told | _WITHOUT_WORK)
    written = ";".join(text for text in texts if text)
    return f"{name}[{written}]" if written else name


def _attribute(attribute: Attribute) -> str:
    """`name=value`; empty for what does not change the time (floats, tensors, defaults)."""
    value = attribute.value
    if isinstance(value, tuple):
        plain = attribute.name == "dilations" and set(value) == {1}
        return "" if plain else f"{attribute.name}={','.join(map(str, value))}"
    return f"{attribute.name}={value}" if value else ""


def _made_up(node: Node) -> bool:
    """Whether the runtime named `node` after its operator only, for want of an original."""
    return re.fullmatch(rf"{re.escape(node.op_type)}(_token_\d+)?", node.name) is not None


class _Names:
    """Names that do not depend on the session: made-up nodes are called after what they read."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._producer = {output: node for node in nodes for output in node.outputs if output}

    def __call__(self, node: Node) -> str:
        if not _made_up(node):
            return node.name
        producer = self._producer.get(node.inputs[0]) if node.inputs else None
        source = self(producer) if producer is not None else (node.inputs[0] if node.inputs else "nothing")
        return f"{node.op_type} of {source}"


def _distinct(sites: Iterable[Site]) -> Iterator[Site]:
    """The sites under distinct names: a repeated name is numbered in the order of execution."""
    seen: dict[str, int] = {}
    for site in sites:
        count = seen[site.name] = seen.get(site.name, 0) + 1
        yield site if count == 1 else Site(f"{site.name} #{count}", site.kernel)
