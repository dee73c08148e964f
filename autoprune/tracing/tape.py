"""One forward pass, watched: the operators that ran, in order, and the labels of every tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from autoprune.errors import BadInput
from autoprune.tracing.labels import NO_LABEL, LabelArray, Labels, Layers, on_axis, varying
from autoprune.tracing.padding import PADDING_CALLS, PadCall, Padding, calling_module

OUTPUT = "they are the network's output"


def first_line(error: Exception) -> str:
    """What an error says, in one line: its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor that an operator made: its shape, its label layers, and the storage it lies in."""

    shape: tuple[int, ...]
    layers: Layers
    storage: int


@dataclass(frozen=True, slots=True)
class Contraction:
    """A sum over channels of a tensor of shape `read`: MACs = `factor` / `divisor` x output elements x |`inner`|."""

    read: tuple[int, ...]
    inner: LabelArray | None  # labels summed over; None where the factor holds the whole length
    factor: int
    divisor: int = 1
    stride: int = 1
    kernel: int = 1
    depthwise: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One executed operator: name, the module it ran in, storages read, tensors made."""

    name: str
    module: str
    reads: tuple[int, ...]
    made: tuple[TensorInfo, ...]
    contraction: Contraction | None = None
    parameters: tuple[str, ...] = ()
    overwrites: bool = False  # could write into its input's memory, as a runtime's fusion does


@dataclass
class Tape:
    """What one pass left behind: operators, and per parameter the labels of each axis."""

    labels: Labels = field(default_factory=Labels)
    operations: list[Operation] = field(default_factory=list)
    axes: dict[str, dict[int, LabelArray]] = field(default_factory=dict)  # parameter -> axis -> labels [size]
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    multiplied: set[str] = field(default_factory=set)  # parameters that were summed over, were it only one channel
    contracted: set[tuple[str, int]] = field(default_factory=set)  # (parameter, axis) that were summed over
    used: list[str] = field(default_factory=list)  # parameters and buffers in order of first use
    output_storages: set[int] = field(default_factory=set)
    pads: dict[PadCall, tuple[Padding, LabelArray]] = field(default_factory=dict)  # labels [before + C + after]


@dataclass
class _Running:
    """A module whose forward is running, and its padding calls since that began."""

    name: str
    module: nn.Module
    padding_calls: int = 0


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches ATen operators, keeps the labels of live tensors, and asks a rule what each operator means."""

    def __init__(self, model: nn.Module, rules: Callable[[Recorder, Call], Contraction | None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = Tape()
        self._rules = rules
        self._layers: dict[int, Layers] = {}
        self._origin: dict[int, str] = {}  # tensor id -> the parameter it is, or is a rearrangement of
        self._alive: list[Tensor] = []  # ids are reused once a tensor dies, so none may die
        self._storages: dict[int, int] = {}
        self._constants: set[int] = set()  # ids of tensors whose numbers stand in the model's code
        self._path: list[_Running] = []
        self.pad_call: PadCall | None = None  # the padding call in the model's code that is running
        tensors = [*model.named_parameters(), *model.named_buffers()]
        for name, tensor in tensors:
            self._adopt(name, tensor)

    def _adopt(self, name: str, tensor: Tensor) -> None:
        labels = self.tape.labels
        axes = {axis: labels.fresh(size) for axis, size in enumerate(tensor.shape) if size > 1}
        self.tape.axes[name] = axes
        self.tape.shapes[name] = tuple(tensor.shape)
        self.set_layers(
            tensor,
            tuple(on_axis(own, axis, tensor.ndim) for axis, own in axes.items()),
        )
        self._origin[id(tensor)] = name

    # What the rules read and write.

    def layers(self, tensor: Tensor) -> Layers:
        """Label layers of a tensor; none for one that carries no channels."""
        return self._layers.get(id(tensor), ())

    def set_layers(self, tensor: Tensor, layers: Layers) -> None:
        """Say what the labels of `tensor` are."""
        self._layers[id(tensor)] = layers
        self._alive.append(tensor)

    def origin(self, tensor: Tensor) -> str | None:
        """The parameter that `tensor` is (a rearrangement of), if any."""
        return self._origin.get(id(tensor))

    def set_origin(self, tensor: Tensor, name: str | None) -> None:
        """Say that `tensor` is a rearrangement of parameter `name`."""
        if name is not None:
            self._origin[id(tensor)] = name

    def constant(self, tensor: Tensor) -> float | None:
        """The one number that `tensor` holds everywhere, whatever the network's input; None for any other tensor."""
        if id(tensor) not in self._constants or not tensor.numel():
            return None
        value = tensor.flatten()[0]  # something may have been written into it since it was made
        return float(value) if bool((tensor == value).all()) else None

    def set_constant(self, tensor: Tensor) -> None:
        """Say that `tensor` was made from numbers in the model's code."""
        self._constants.add(id(tensor))
        self._alive.append(tensor)

    def contract(self, tensor: Tensor, labels: LabelArray) -> None:
        """Note which axis of the parameter behind `tensor` was summed over, by its labels."""
        name = self.origin(tensor)
        if name is None:
            return
        self.tape.multiplied.add(name)
        summed = set(labels.ravel().tolist())
        for axis, own in self.tape.axes[name].items():
            if summed & set(own.tolist()):
                self.tape.contracted.add((name, axis))

    def channels(self, tensor: Tensor, axis: int) -> LabelArray:
        """Labels [size] along one axis, `NO_LABEL` where there are none; layers that also vary elsewhere are fixed."""
        axis %= tensor.ndim
        found = np.full(tensor.shape[axis], NO_LABEL, dtype=np.int64)
        for layer in self.layers(tensor):
            if varying(layer) == (axis,):
                found = layer.reshape(-1)
            elif axis in varying(layer):
                self.tape.labels.fix(layer, f"{self.place} mixes them with another axis")
        return found

    def fix(self, tensors: Iterable[Tensor], reason: str) -> None:
        """No channel of `tensors` may be removed, for `reason`."""
        for tensor in tensors:
            for layer in self.layers(tensor):
                self.tape.labels.fix(layer, reason)

    @property
    def module(self) -> str:
        """Qualified name of the module that is running."""
        return self._path[-1].name if self._path else ""

    @property
    def place(self) -> str:
        """The running module, for a reason's text."""
        return f"module {self.module!r}" if self.module else "the model itself"

    # Running.

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        call = Call(func, args, kwargs or {}, out)
        for tensor in call.tensors:
            name = self.origin(tensor)
            if name is not None and name not in self.tape.used:
                self.tape.used.append(name)
        contraction = self._rules(self, call)
        self._record(call, contraction)
        return out

    def _record(self, call: Call, contraction: Contraction | None) -> None:
        reads = {self._storage(t) for t in call.tensors if self.origin(t) is None}
        made = []
        for tensor in call.results:
            self._alive.append(tensor)
            if self.origin(tensor) is None and not any(tensor is t for t in call.tensors):
                made.append(TensorInfo(tuple(tensor.shape), self.layers(tensor), self._storage(tensor)))
        self.tape.operations.append(
            Operation(
                name=call.name,
                module=self.module,
                reads=tuple(sorted(reads)),
                made=tuple(made),
                contraction=contraction,
                parameters=tuple(dict.fromkeys(n for t in call.tensors if (n := self.origin(t)))),
                overwrites=call.elementwise,
            )
        )

    def _storage(self, tensor: Tensor) -> int:
        return self._storages.setdefault(tensor.untyped_storage()._cdata, len(self._storages))

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """Keep track of which submodule of `model` is running."""

        def enter(name: str) -> Callable[..., None]:
            return lambda module, *_: self._path.append(_Running(name, module))

        def leave(*_: Any) -> None:
            self._path.pop()

        handles = []
        for name, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(enter(name)))
            handles.append(module.register_forward_hook(leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def padding(self) -> Iterator[None]:
        """A padding call of the model's code is running (or one of a hook, which nothing can replace)."""
        if self._path and calling_module() is self._path[-1].module:
            self.pad_call = PadCall(self.module, self._path[-1].padding_calls)
            self._path[-1].padding_calls += 1
        try:
            yield
        finally:
            self.pad_call = None


class _PaddingCalls(TorchFunctionMode):
    """Tells the recorder of padding calls, which are seen here before they become ATen operators."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in PADDING_CALLS:
            return func(*args, **(kwargs or {}))
        with self._recorder.padding():
            return func(*args, **(kwargs or {}))


class Call:
    """One operator call: its name, arguments, and results."""

    def __init__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        self.func, self.args, self.kwargs, self.out = func, args, kwargs, out
        self.name: str = func._schema.name.removeprefix("aten::")
        self.tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        self.results = [t for t in tree_leaves(out) if isinstance(t, Tensor)]
        self.elementwise = False  # set by the rule

    def argument(self, name: str, default: Any = None) -> Any:
        """The argument called `name` in the operator's schema, wherever the caller put it."""
        if name in self.kwargs:
            return self.kwargs[name]
        for position, argument in enumerate(self.func._schema.arguments):
            if argument.name == name:
                if position < len(self.args):
                    return self.args[position]
                return argument.default_value if argument.has_default_value() else default
        return default


def record(model: nn.Module, example: Tensor, rules: Callable[[Recorder, Call], Contraction | None]) -> Tape:
    """Run `model` (in eval mode) once on `example` and return the tape.

    Raises `BadInput` where the model does not run on the example or answers with NaN.
    """
    recorder = Recorder(model, rules)
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its single fused operator would hide the layers inside
    try:
        with torch.no_grad(), recorder.inside(model), recorder, _PaddingCalls(recorder):
            out = model(example)
    except Exception as error:  # a network's own code may raise anything
        raise BadInput(
            f"the model does not run on an input of shape {list(example.shape)}: {first_line(error)}"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
    outputs = [t for t in tree_leaves(out) if isinstance(t, Tensor)]
    if any(t.is_floating_point() and bool(torch.isnan(t).any()) for t in outputs):
        raise BadInput("the model's output holds NaN on the example input; check its weights and the input's scaling")
    for tensor in outputs:
        for layer in recorder.layers(tensor):
            recorder.tape.labels.fix(layer, OUTPUT)
        recorder.tape.output_storages.add(recorder._storage(tensor))
    return recorder.tape
